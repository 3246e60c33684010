/**
 * Where a node is in the log, and what it must do next: a state machine over one position.
 *
 * Pure. `SPEC.md` beside it lists every state, event and invariant with the test that enforces it.
 *
 *   empty ──snapshot──▶ seeking ──the source has no more──▶ following
 *                         ▲ │ ▲                                 │
 *                         │ │ └──gap, damage, doubt, newer epoch┘
 *                snapshot │ └──the log's own commit does not link──▶ broken
 *                         └────────────────────────────────────────────┘
 *
 * Nothing the bus says is believed: a commit counts when it links to the position held, and every other
 * message is at most a reason to ask the next source. Sources are asked in the order stream, log, snapshot,
 * and each is the truth for the one before it.
 */
import { verifyCommit, type ChainProblem } from '#contracts/commit/chain.ts'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import { floorIn, readCommit, type Commit, type WireCommit } from '#contracts/commit/commit.ts'
import type { Head } from '#contracts/fleet/link.ts'

/** The last commit held, and what the next one must link to. */
export type Position = Readonly<{
  /** Which log this is; null for a log that has not begun. */
  logId: string | null
  epoch: number
  commit: number
  chain: string
}>

/** How far something claims the log goes. */
export type Extent = Readonly<{ epoch: number; commit: number }>

/** Where commits can be had: the stream on the bus, the control plane's log, its snapshot. */
export type Source = 'stream' | 'log' | 'snapshot'

export type FollowState =
  /** Holds nothing, serves nothing. Only a snapshot helps. */
  | Readonly<{ kind: 'empty' }>
  /** Knows of nothing that is missing. */
  | Readonly<{ kind: 'following'; at: Position }>
  /** Misses something, or may: `where` is asked next, `wanted` is what it should reach. */
  | Readonly<{ kind: 'seeking'; at: Position; where: Source; wanted: Extent }>
  /** The log itself did not continue from here. Keeps serving; takes nothing from the bus until it is mended. */
  | Readonly<{ kind: 'broken'; at: Position; where: 'snapshot' | 'log' }>
  /**
   * The next commit raises the floor above what this release folds: it stays here, and serves. `epoch` is the
   * newest it has heard of; only a newer one can mean that the log has gone back to before the floor.
   */
  | Readonly<{ kind: 'blocked'; at: Position; epoch: number; minFold: number }>

export const EMPTY: FollowState = { kind: 'empty' }

export type Step<Verdict> = Readonly<{ state: FollowState; verdict: Verdict }>

export type CommitVerdict =
  /** The next link; fold it. */
  | Readonly<{ kind: 'apply'; commit: Commit }>
  /** The next link, and not for this release. */
  | Readonly<{ kind: 'floor'; minFold: number }>
  /** Beyond the floor: nothing of it is wanted. */
  | Readonly<{ kind: 'blocked' }>
  /** Held already. */
  | Readonly<{ kind: 'duplicate' }>
  /** `from` to `to` are missing before it; keep it for later. */
  | Readonly<{ kind: 'gap'; from: number; to: number }>
  /** There is nothing it could link to; keep it for later. */
  | Readonly<{ kind: 'no_base' }>
  /** It has the right number and is not the next link. */
  | Readonly<{ kind: 'broken'; problem: ChainProblem }>
  /** A number held already, under a newer epoch: the log may have gone back. */
  | Readonly<{ kind: 'rewound' }>
  /** A leftover of a stream that was given up. */
  | Readonly<{ kind: 'old_epoch' }>

/** @param via the bus, which may err, or the control plane's log, which is the truth. */
export function onCommit(state: FollowState, wire: WireCommit, via: 'bus' | 'log'): Step<CommitVerdict> {
  if (state.kind === 'empty' || (state.kind === 'broken' && via === 'bus'))
    return { state, verdict: { kind: 'no_base' } }
  const { at } = state
  const claim = { epoch: Math.max(at.epoch, wire.epoch), commit: wire.commit }
  const seekFrom: Source = via === 'log' ? 'snapshot' : 'stream'

  if (wire.commit <= at.commit) {
    if (wire.epoch <= at.epoch) return { state, verdict: { kind: 'duplicate' } }
    return { state: seek(state, seekFrom, claim), verdict: { kind: 'rewound' } }
  }
  if (wire.commit > at.commit + 1) {
    if (state.kind === 'blocked' && wire.epoch <= state.epoch) return { state, verdict: { kind: 'blocked' } }
    if (wire.epoch < at.epoch) return { state, verdict: { kind: 'old_epoch' } }
    const verdict: CommitVerdict = { kind: 'gap', from: at.commit + 1, to: wire.commit - 1 }
    return { state: seek(state, seekFrom, claim), verdict }
  }
  const verified = verifyCommit(wire, at.chain)
  if (!verified.ok) {
    if (via === 'log') return { state: onStuck(at), verdict: { kind: 'broken', problem: verified.error } }
    if (wire.epoch < at.epoch) return { state, verdict: { kind: 'old_epoch' } }
    return { state: seek(state, 'log', claim), verdict: { kind: 'broken', problem: verified.error } }
  }
  const commit = readCommit(wire)
  const minFold = floorIn(commit)
  if (minFold > FOLD_VERSION) {
    const heardOf = state.kind === 'seeking' ? state.wanted.epoch : state.kind === 'blocked' ? state.epoch : 0
    const epoch = Math.max(claim.epoch, heardOf)
    return { state: { kind: 'blocked', at, epoch, minFold }, verdict: { kind: 'floor', minFold } }
  }
  const next = positionAfter(at, commit)
  const mended: FollowState = { kind: 'seeking', at: next, where: 'log', wanted: extent(next) }
  return {
    state: state.kind === 'broken' || state.kind === 'blocked' ? mended : { ...state, at: next },
    verdict: { kind: 'apply', commit },
  }
}

/** Log and epoch come from the events, as in the fold, so that position and catalog cannot disagree. */
function positionAfter(at: Position, { commit, chain, events }: Commit): Position {
  let { logId, epoch } = at
  for (const event of events) {
    if (event.type === 'GenesisCreated') logId = event.body.logId
    else if (event.type === 'EpochAdvanced') epoch = event.body.epoch
  }
  return { logId, epoch, commit, chain }
}

export type SnapshotVerdict = 'take' | 'not_newer' | 'other_log'

/**
 * Back only under a newer epoch, and never to another log: a wrong database must not empty the fleet. At the
 * very commit held, another chain shows that ours is not the log's: the log is right.
 */
export function onSnapshot(state: FollowState, position: Position): Step<SnapshotVerdict> {
  // It may be minutes old: what was stored since is asked for next.
  const taken: FollowState = { kind: 'seeking', at: position, where: 'stream', wanted: position }
  if (state.kind === 'empty') return { state: taken, verdict: 'take' }
  const { at } = state
  if (at.logId !== null && position.logId !== at.logId)
    return { state: onUseless(state), verdict: 'other_log' }
  const isFork = position.commit === at.commit && position.chain !== at.chain
  const isNewer = position.epoch > at.epoch || (position.epoch === at.epoch && position.commit > at.commit)
  const isUseful = isNewer || (position.epoch === at.epoch && isFork)
  return isUseful ? { state: taken, verdict: 'take' } : { state: onUseless(state), verdict: 'not_newer' }
}

/**
 * No snapshot could be had. Whoever seeks begins again with the first source; whoever is broken asks the log
 * again, in case it was its answer that was damaged.
 */
export function onNoSnapshot(state: FollowState): FollowState {
  if (state.kind === 'broken') return { ...state, where: 'log' }
  return state.kind === 'seeking' ? { ...state, where: 'stream' } : state
}

/** The last source has answered, and there is nothing further. */
function onUseless(state: FollowState): FollowState {
  return state.kind === 'seeking' ? { kind: 'following', at: state.at } : onNoSnapshot(state)
}

/** `diverged`: at our very commit its chain is another. The snapshot shows who is right. */
export type HeadVerdict =
  | 'no_base'
  | 'current'
  | 'behind'
  | 'ahead'
  | 'diverged'
  | 'newer_epoch'
  | 'old_epoch'
  | 'blocked'

/** `behind` changes nothing yet: the commit is usually on its way. See `onDoubt`. */
export function onHead(
  state: FollowState,
  head: Pick<Head, 'epoch' | 'commit' | 'chain'>,
): Step<HeadVerdict> {
  if (state.kind === 'empty') return { state, verdict: 'no_base' }
  const { at } = state
  if (
    state.kind === 'blocked' &&
    head.epoch <= state.epoch &&
    (head.epoch > at.epoch || head.commit > at.commit)
  )
    return { state, verdict: 'blocked' }
  if (head.epoch > at.epoch) return { state: seek(state, 'stream', head), verdict: 'newer_epoch' }
  if (head.epoch < at.epoch) return { state, verdict: 'old_epoch' }
  if (head.commit > at.commit) return { state, verdict: 'behind' }
  if (head.commit < at.commit) return { state, verdict: 'ahead' }
  if (head.chain === at.chain) return { state, verdict: 'current' }
  return { state: seek(state, 'snapshot', head), verdict: 'diverged' }
}

/** Something may have been missed: a connection came back, the buffer overflowed, a commit does not arrive. */
export function onDoubt(state: FollowState, wanted: Extent | null): FollowState {
  return state.kind === 'empty' || state.kind === 'blocked'
    ? state
    : seek(state, 'stream', wanted ?? state.at)
}

/**
 * A source was asked for what follows our position.
 * @param gave `all`: it has nothing further; `some`: it gave what it had when asked, and there may be more by
 *   now; `lacking`: it has further commits but not the next one, or it did not answer.
 */
export function onAnswer(
  state: FollowState,
  from: 'stream' | 'log',
  gave: 'all' | 'some' | 'lacking',
): FollowState {
  if (state.kind === 'broken') return { ...state, where: 'snapshot' }
  if (state.kind !== 'seeking' || RUNG[from] < RUNG[state.where]) return state
  const { at, wanted } = state
  const isReached = at.epoch > wanted.epoch || (at.epoch === wanted.epoch && at.commit >= wanted.commit)
  if (gave !== 'lacking' && isReached) return { kind: 'following', at }
  if (gave === 'some') return state
  if (from === 'stream') return { ...state, where: 'log' }
  // The log is the truth about its end; only a newer epoch can be behind us without continuing from here.
  return gave === 'all' && wanted.epoch <= at.epoch
    ? { kind: 'following', at }
    : { ...state, where: 'snapshot' }
}

/** What followed `at` turned out to be of no use: only another state of the log helps. */
export function onStuck(at: Position): FollowState {
  return { kind: 'broken', at, where: 'snapshot' }
}

/**
 * The commits are the log's, and the state they were folded to is not. With a link that nothing has, a
 * snapshot of the very commit held is another one, and is taken.
 */
export function onOtherState(at: Position): FollowState {
  return onStuck({ ...at, chain: '' })
}

const RUNG: Readonly<Record<Source, number>> = { stream: 0, log: 1, snapshot: 2 }

/** Seeks at `where` or, if already further, where it is; wants the furthest of what was claimed. */
function seek(state: Exclude<FollowState, { kind: 'empty' }>, where: Source, claim: Extent): FollowState {
  if (state.kind === 'broken') return state
  if (state.kind === 'following' || state.kind === 'blocked')
    return { kind: 'seeking', at: state.at, where, wanted: extent(claim) }
  const { at, wanted } = state
  const isFurther =
    claim.epoch > wanted.epoch || (claim.epoch === wanted.epoch && claim.commit > wanted.commit)
  const further = RUNG[where] > RUNG[state.where] ? where : state.where
  return { kind: 'seeking', at, where: further, wanted: isFurther ? extent(claim) : wanted }
}

const extent = ({ epoch, commit }: Extent): Extent => ({ epoch, commit })

/** `poll`: wait at the log for the next commit. `rest`: the bus brings it. `stay`: nothing can be had. */
export type Move = 'stream' | 'log' | 'snapshot' | 'poll' | 'rest' | 'stay'

/**
 * What to do now.
 * @param bus `silent`: connected, and nothing has proved for a while that we are current.
 */
export function nextMove(state: FollowState, bus: 'live' | 'silent' | 'down'): Move {
  switch (state.kind) {
    case 'empty':
      return 'snapshot'
    case 'broken':
      return state.where
    case 'following':
      return bus === 'live' ? 'rest' : 'poll'
    case 'blocked':
      return 'stay'
    case 'seeking':
      return state.where === 'stream' && bus === 'down' ? 'log' : state.where
  }
}
