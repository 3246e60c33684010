/**
 * The log's database, as `cp_append` makes it behave: one head, one append at a time, a command carried out
 * once. What it knows is never lost; what it answers may be.
 */
import { CHAIN_START, chainLink } from '#contracts/commit/chain.ts'
import { GUARD, TENANT } from '#contracts/commit/commit.ts'
import type { Log } from '#control-plane/commands/ledger.ts'
import type {
  AppendInput,
  AppendResult,
  prepareAppend,
  RecordedCommand,
  RecordedCommit,
} from '#control-plane/store/event-log.ts'
import type { Dice } from './dice.ts'
import type { Life, VirtualTime } from './time.ts'

export type DatabaseFaults = {
  /** The connection breaks before, or after, it was done. */
  loseQuestion: number
  loseAnswer: number
  /** An answer takes so long, in milliseconds. */
  slow: number
}

export type OpenLog = Log &
  Readonly<{ secrets(ids: readonly string[]): Promise<ReadonlyMap<string, string>> }>

export class Database {
  readonly faults: DatabaseFaults = { loseQuestion: 0, loseAnswer: 0, slow: 0 }
  readonly commits: RecordedCommit[] = []
  isUp = true
  onAppended: (commit: RecordedCommit) => void = () => undefined
  readonly #time: VirtualTime
  readonly #dice: Dice
  readonly #commands = new Map<string, RecordedCommand>()
  readonly #secrets = new Map<string, string>()

  constructor(time: VirtualTime, dice: Dice) {
    this.#time = time
    this.#dice = dice
  }

  /** @param prepare of the caller's own release: it decides what is stored. */
  open(life: Life, prepare: typeof prepareAppend): OpenLog {
    const ask = <Answer>(work: () => Answer): Promise<Answer> => this.#ask(life, work)
    return {
      append: (input) => {
        const prepared = prepare(input)
        return ask(() => this.#append(input, prepared))
      },
      read: (after, limit) => ask(() => this.commits.slice(after, after + limit)),
      command: (id) => ask(() => this.#commands.get(id) ?? null),
      secrets: (ids) =>
        ask(() => new Map(ids.flatMap((id) => [[id, this.#secrets.get(id)] as const].flatMap(known)))),
    }
  }

  /** An old backup is put in place of what there is. */
  restoreTo(commit: number): void {
    this.commits.length = commit
    for (const [id, command] of this.#commands) if (command.commit > commit) this.#commands.delete(id)
  }

  #append(input: AppendInput, { events, leaves, root }: ReturnType<typeof prepareAppend>): AppendResult {
    const done = this.#commands.get(input.commandId)
    if (done !== undefined)
      return done.requestHash === input.requestHash
        ? { kind: 'replayed', commit: done.commit, response: done.response }
        : { kind: 'key_reused' }
    if (this.commits.length !== input.expectedHead) return { kind: 'head_moved', head: this.commits.length }
    const commit = this.commits.length + 1
    const prev = this.commits.at(-1)?.wire.chain ?? CHAIN_START
    const { meta, epoch, requestHash, response } = input
    const record = {
      wire: {
        v: 1 as const,
        epoch,
        commit,
        prev,
        chain: chainLink(prev, commit, root),
        leaves,
        at: meta.at,
        tenant: TENANT,
        guard: GUARD,
        events,
      },
      meta,
    }
    this.commits.push(record)
    this.#commands.set(input.commandId, { requestHash, commit, response })
    for (const { id, sealed } of input.secrets) this.#secrets.set(id, sealed)
    this.onAppended(record)
    return { kind: 'appended', wire: record.wire }
  }

  #ask<Answer>(life: Life, work: () => Answer): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const time = this.#time
    const dice = this.#dice
    const { loseQuestion, loseAnswer, slow } = this.faults
    const broke = (): void => reject(new Error('the connection to the database broke'))
    const isLost = loseQuestion > 0 && dice.chance(loseQuestion)
    const isAnswerLost = loseAnswer > 0 && dice.chance(loseAnswer)
    time.after(dice.between(0.2, 1) + slow, null, () => {
      if (!this.isUp || isLost) return void time.after(0.2, life, broke)
      const answer = work()
      time.after(dice.between(0.2, 1), life, isAnswerLost ? broke : () => resolve(answer))
    })
    return promise
  }
}

const known = ([id, text]: readonly [string, string | undefined]): [string, string][] =>
  text === undefined ? [] : [[id, text]]
