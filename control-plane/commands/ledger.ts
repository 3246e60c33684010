/**
 * The ledger: the catalog as the log has it, and the one door to change it.
 *
 * Commands run one after the other. Each is decided on the state at the head and appended only if the head
 * is still there; when another control plane was faster, its commits are read and the command is decided
 * again. A command sent twice under one id is carried out once.
 */
import { canonical, checkCanonical } from '#contracts/canonical.ts'
import { EMPTY_CATALOG, FOLD_VERSION, type Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { foldOnto } from '#contracts/catalog/fold.ts'
import { CHAIN_START, verifyCommit, type CommitMeta } from '#contracts/commit/chain.ts'
import {
  floorIn,
  GUARD,
  MAX_COMMIT_BYTES,
  readCommit,
  TENANT,
  type Commit,
  type WireCommit,
} from '#contracts/commit/commit.ts'
import { EMPTY_DIGEST } from '#contracts/commit/digest.ts'
import type { CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import type { StreamId } from '#contracts/ids.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type {
  AppendInput,
  AppendResult,
  RecordedCommand,
  RecordedCommit,
  SealedSecret,
} from '../store/event-log.ts'
import { streamOf, type Command } from './command.ts'
import { decide } from './decide.ts'
import { invalid, type Rejection } from './rejection.ts'

/** What the ledger needs of the log. */
export type Log = Readonly<{
  append(input: AppendInput): Promise<AppendResult>
  read(after: number, limit: number): Promise<readonly RecordedCommit[]>
  command(id: string): Promise<RecordedCommand | null>
}>

export type Actor = CommitMeta['actor']

export type Request = Readonly<{
  command: Command
  /** Made by whoever asks; the same id means the same wish. */
  commandId: string
  /** Tells the same wish from another one under its id: a hash of what was asked, secrets as fingerprints. */
  requestHash: string
  actor: Actor
  reason: string | null
  /** Sealed secrets the command may refer to; those its events name are stored. */
  secrets: readonly SealedSecret[]
  /** Public ids made for this command, answered again when it is repeated. */
  ids: Readonly<Record<string, string>>
  /** Decide, but write nothing. */
  dryRun: boolean
}>

export type Outcome = Readonly<{
  /** Commit that carried the command out; of one that changed nothing, the commit it was decided on. */
  commitNo: number
  /** Event types, in order; empty: everything was already as wished. */
  events: readonly string[]
  /** Version of the changed entity afterwards. */
  version: number
  ids: Readonly<Record<string, string>>
  /** This command had been carried out before, and this is what it answered then. */
  replayed: boolean
}>

/** The commit that raised the floor above what this release folds. */
export type FloorStop = Readonly<{ commit: number; minFold: number }>

const stoppedWords = ({ commit, minFold }: FloorStop): string =>
  `commit ${commit} raised the floor to fold version ${minFold} and this control plane folds ${FOLD_VERSION}; ` +
  'send the change to a control plane of a later release'

/** Too many commands are waiting, or the database does not answer: nothing was decided. Try again. */
export class LedgerBusy extends Error {
  override readonly name = 'LedgerBusy'
}

const READ_AT_ONCE = 500
const WAITING_AT_MOST = 32
/** Other control planes may be faster this often before we give up. */
const ROUNDS = 20
/** Of a log that is read page by page the digest of every so-manieth commit is known. */
export const DIGEST_EVERY = 100
/** A node lagging further behind than this cannot have its digest checked. */
const DIGESTS_KEPT = 2_048

export class Ledger {
  readonly #log: Log
  readonly #clock: Clock
  readonly #listeners = new Set<(commits: readonly WireCommit[]) => void>()
  #held: CatalogSnapshot = { catalog: EMPTY_CATALOG, chain: CHAIN_START, digest: EMPTY_DIGEST }
  /** Digest by commit, of the latest few: what nodes report is compared with these. */
  readonly #digests = new Map<number, string>()
  #queue: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #stop: FloorStop | null = null

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  get catalog(): Catalog {
    return this.#held.catalog
  }

  get snapshot(): CatalogSnapshot {
    return this.#held
  }

  /** @returns the state digest at a recent commit, or undefined when it is too long ago. */
  digestAt(commit: number): string | undefined {
    return this.#digests.get(commit)
  }

  /** Where the log goes on without this release: it decides nothing any more, and answers with what it has. */
  get stop(): FloorStop | null {
    return this.#stop
  }

  /** Told of every commit that has become part of the catalog, in order, whoever wrote it. */
  onCommits(listener: (commits: readonly WireCommit[]) => void): void {
    this.#listeners.add(listener)
  }

  /** Reads what others have appended. Rejects when the database cannot be read. */
  catchUp(): Promise<void> {
    return this.#inTurn(async () => void (await this.#readTail()))
  }

  async execute(request: Request): Promise<Result<Outcome, Rejection>> {
    if (this.#waiting >= WAITING_AT_MOST) throw new LedgerBusy('too many commands are waiting')
    return this.#inTurn(() => this.#carryOut(request))
  }

  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    this.#waiting += 1
    const turn = this.#queue.then(work)
    this.#queue = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      this.#waiting -= 1
    }
  }

  async #carryOut(request: Request): Promise<Result<Outcome, Rejection>> {
    for (let round = 0; round < ROUNDS; round++) {
      if (this.#stop !== null) return invalid('', stoppedWords(this.#stop))
      const decision = decide(this.#held.catalog, request.command)
      if (!decision.ok || decision.value.length === 0) {
        // What stands in the way, or is already so, may be this very command's first arrival; or the state
        // decided on may be old.
        const recorded = await this.#log.command(request.commandId)
        if (recorded !== null) return replay(request, recorded)
        if ((await this.#readTail()) > 0) continue
        return decision.ok ? ok(this.#outcome(request, [])) : decision
      }
      const checked = checkEvents(decision.value)
      if (!checked.ok) return checked
      const outcome = this.#outcome(request, decision.value)
      if (request.dryRun) return ok(outcome)
      const result = await this.#log.append(this.#appendInput(request, decision.value, outcome))
      if (result.kind === 'appended') {
        this.#take([result.wire])
        return ok({ ...outcome, commitNo: result.wire.commit })
      }
      if (result.kind === 'replayed') return ok(readOutcome(result.response, result.commit))
      if (result.kind === 'key_reused') return err({ kind: 'key_reused', commandId: request.commandId })
      await this.#readTail()
    }
    throw new LedgerBusy('other control planes are changing the log too fast')
  }

  #outcome({ command, ids }: Request, events: readonly CatalogEvent[]): Outcome {
    const stream = streamOf(command)
    const added = events.filter((event) => event.stream === stream).length
    const version = (this.#held.catalog.versions.get(stream) ?? 0) + added
    return {
      commitNo: this.#held.catalog.commit,
      events: events.map(({ type }) => type),
      version,
      ids,
      replayed: false,
    }
  }

  #appendInput(request: Request, events: readonly CatalogEvent[], outcome: Outcome): AppendInput {
    const versions = new Map<StreamId, number>()
    const placed = events.map((event) => {
      const version = (versions.get(event.stream) ?? this.#held.catalog.versions.get(event.stream) ?? 0) + 1
      versions.set(event.stream, version)
      return { event, version }
    })
    const named = new Set(events.flatMap((event) => ('secretId' in event.body ? [event.body.secretId] : [])))
    const epoch = events.reduce(
      (now, event) => (event.type === 'EpochAdvanced' ? event.body.epoch : now),
      this.#held.catalog.epoch,
    )
    const { commandId, command, actor, reason } = request
    return {
      expectedHead: this.#held.catalog.commit,
      commandId,
      requestHash: request.requestHash,
      response: canonical(outcome),
      epoch,
      meta: {
        commandId,
        command: command.type,
        actor,
        reason,
        at: this.#clock.now(),
        tenant: TENANT,
        guard: GUARD,
      },
      events: placed,
      secrets: request.secrets.filter(({ id }) => named.has(id)),
    }
  }

  /** @returns how many commits were new. */
  async #readTail(): Promise<number> {
    let count = 0
    for (;;) {
      const commits = await this.#log.read(this.#held.catalog.commit, READ_AT_ONCE)
      const isPast = commits.length === READ_AT_ONCE
      if (commits.length > 0)
        this.#take(
          commits.map(({ wire }) => wire),
          isPast,
        )
      count += commits.length
      if (commits.length < READ_AT_ONCE || this.#stop !== null) return count
    }
  }

  /** @param isPast more follow: a long log is folded in runs, 100 times as fast as by its commits. */
  #take(wires: readonly WireCommit[], isPast = false): void {
    const taken: WireCommit[] = []
    const commits: Commit[] = []
    let { chain } = this.#held
    for (const wire of wires) {
      const verified = verifyCommit(wire, chain)
      // Nothing can be built on a log whose past has been changed.
      if (!verified.ok) throw new Error(`the log is damaged at commit ${wire.commit}: ${verified.error}`)
      const commit = readCommit(wire)
      const minFold = floorIn(commit)
      if (minFold > FOLD_VERSION) {
        this.#stop = { commit: wire.commit, minFold }
        break
      }
      chain = wire.chain
      taken.push(wire)
      commits.push(commit)
    }
    if (taken.length === 0) return
    for (const run of isPast ? runsOf(commits) : commits.map((commit) => [commit])) this.#fold(run)
    for (const listener of this.#listeners) listener(taken)
  }

  #fold(run: readonly Commit[]): void {
    this.#held = foldOnto(this.#held, run)
    const { catalog, digest } = this.#held
    this.#digests.set(catalog.commit, digest)
    for (const commit of this.#digests.keys()) {
      if (commit > catalog.commit - DIGESTS_KEPT) break
      this.#digests.delete(commit)
    }
  }
}

const runsOf = (commits: readonly Commit[]): readonly (readonly Commit[])[] => [
  ...Map.groupBy(commits, ({ commit }) => Math.ceil(commit / DIGEST_EVERY)).values(),
]

function checkEvents(events: readonly CatalogEvent[]): Result<true, Rejection> {
  let bytes = 0
  for (const { type, body } of events) {
    const checked = checkCanonical(body)
    if (!checked.ok) return invalid(checked.error.path, `cannot be stored: ${checked.error.reason}`)
    // As it travels: a text inside a text, every quote escaped.
    bytes += type.length + Buffer.byteLength(JSON.stringify(canonical(checked.value)))
  }
  if (bytes <= MAX_COMMIT_BYTES) return ok(true)
  return invalid(
    '',
    `the change is ${bytes} bytes, more than the ${MAX_COMMIT_BYTES} one commit can carry; split it`,
  )
}

function replay(request: Request, recorded: RecordedCommand): Result<Outcome, Rejection> {
  if (recorded.requestHash !== request.requestHash)
    return err({ kind: 'key_reused', commandId: request.commandId })
  return ok(readOutcome(recorded.response, recorded.commit))
}

/** Reads what `#appendInput` wrote as the command's response. */
function readOutcome(response: string, commit: number): Outcome {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by us, and kept where nothing changes it
  return { ...(JSON.parse(response) as Outcome), commitNo: commit, replayed: true }
}
