/**
 * What the log and the stream must show after a run: everything acknowledged, once, in order, chained.
 */
import { Pool } from 'pg'
import { NatsBus } from '#contracts/bus/nats.ts'
import { CHAIN_START, verifyCommit } from '#contracts/commit/chain.ts'
import { decodeCommit, type WireCommit } from '#contracts/commit/commit.ts'
import { openDatabase } from '#control-plane/store/database.ts'
import { EventLog, type RecordedCommit } from '#control-plane/store/event-log.ts'
import { eventually } from '../eventually.ts'

/** An answer a client was given. Within a lane one command is sent after the other. */
export type Acknowledged = Readonly<{ lane: number; commandId: string; commitNo: number }>

export type LogReport = Readonly<{
  commits: readonly RecordedCommit[]
  /** Acknowledged and not in the log at the number that was told. */
  lost: number
  /** Commands carried out more than once. */
  doubled: number
  /** Acknowledged later, and earlier in the log. */
  reordered: number
  /** `valid`, or where it breaks. */
  chain: string
}>

export async function checkLog(url: string, acknowledged: readonly Acknowledged[]): Promise<LogReport> {
  const database = openDatabase(new Pool({ connectionString: url }))
  try {
    const commits: RecordedCommit[] = []
    const log = new EventLog(database)
    for (let page = await log.read(0, 1_000); page.length > 0; page = await log.read(commits.length, 1_000)) {
      commits.push(...page)
    }
    const byCommand = Map.groupBy(commits, ({ meta }) => meta.commandId)
    return {
      commits,
      lost: acknowledged.filter(
        ({ commandId, commitNo }) => byCommand.get(commandId)?.[0]?.wire.commit !== commitNo,
      ).length,
      doubled: [...byCommand.values()].filter((same) => same.length > 1).length,
      reordered: countReordered(acknowledged),
      chain: checkChain(commits.map(({ wire }) => wire)),
    }
  } finally {
    await database.destroy()
  }
}

function countReordered(acknowledged: readonly Acknowledged[]): number {
  const lanes = Map.groupBy(acknowledged, ({ lane }) => lane)
  return [...lanes.values()]
    .flatMap((answers) =>
      answers.slice(1).map((answer, at) => answer.commitNo <= (answers[at]?.commitNo ?? 0)),
    )
    .filter(Boolean).length
}

function checkChain(wires: readonly WireCommit[]): string {
  let prev = CHAIN_START
  for (const [at, wire] of wires.entries()) {
    if (wire.commit !== at + 1) return `missing commit ${at + 1}`
    const verified = verifyCommit(wire, prev)
    if (!verified.ok) return `broken at commit ${wire.commit}: ${verified.error}`
    prev = wire.chain
  }
  return 'valid'
}

/** @returns how the stream on the bus differs from the log; empty: it does not. */
export async function checkStream(url: string, { commits }: LogReport): Promise<readonly string[]> {
  await using bus = new NatsBus({
    url,
    prefix: 'apiproxy',
    name: 'check',
    replicas: 1,
    onProblem: () => undefined,
  })
  await eventually(() => bus.connected, 10_000, 'the connection')
  const epoch = commits.at(-1)?.wire.epoch ?? 1
  await eventually(async () => (await bus.commits.range(epoch))?.last === commits.length, 20_000, 'the relay')
  const problems: string[] = []
  for (const { wire } of commits) {
    // Behind the signature and its dot; the check has no key.
    const text = (await bus.commits.read(epoch, wire.commit))?.replace(/^[^.]*\./, '')
    const held = decodeCommit(text ?? '')
    if (!held.ok || held.value.chain !== wire.chain)
      problems.push(`commit ${wire.commit} of the stream is not the log's`)
  }
  return problems
}
