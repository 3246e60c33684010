import { describe, expect, test } from 'vitest'
import { canonical, type Json } from '#contracts/canonical.ts'
import { chainLink, eventLeaf, commitRoot, metaLeaf } from '#contracts/commit/chain.ts'
import type { WireCommit, WireEvent } from '#contracts/commit/commit.ts'
import { metaOf, sealCommit } from '#test/arbitraries/commits.ts'
import type { RecordedCommit } from '../store/event-log.ts'
import { NOTHING_VERIFIED, verifyNext, type LogProblem } from './verify-log.ts'

const event = (i: number, stream: string, sver: number, type: string, body: Json): WireEvent => ({
  i,
  stream,
  sver,
  type,
  sv: 1,
  body: canonical(body),
})

/** Three commits; the second changes two streams. */
function threeCommits(): RecordedCommit[] {
  const first = sealCommit({
    commit: 1,
    prev: NOTHING_VERIFIED.chain,
    events: [event(0, 'system', 1, 'GenesisCreated', { logId: 'l', keyCheck: 'k' })],
  })
  const second = sealCommit({
    commit: 2,
    prev: first.chain,
    events: [
      event(0, 'provider-a', 1, 'ProviderEnabled', {}),
      event(1, 'provider-b', 1, 'ProviderDisabled', {}),
    ],
  })
  const third = sealCommit(
    { commit: 3, prev: second.chain, events: [event(0, 'system', 2, 'EpochAdvanced', { epoch: 2 })] },
    2,
  )
  return [first, second, third].map((wire) => ({ wire, meta: metaOf(wire.commit) }))
}

/** Commits found whole, and what is wrong with the next. */
function check(records: readonly RecordedCommit[]): readonly [number, LogProblem | 'whole'] {
  let verified = NOTHING_VERIFIED
  for (const record of records) {
    const next = verifyNext(verified, record)
    if (!next.ok) return [verified.commit, next.error]
    verified = next.value
  }
  return [verified.commit, 'whole']
}

/** The log with one commit as somebody with the database, and without care, would leave it. */
function withCommit(
  commit: number,
  change: (record: RecordedCommit) => RecordedCommit,
): readonly RecordedCommit[] {
  return threeCommits().map((record) => (record.wire.commit === commit ? change(record) : record))
}
const withWire = (
  commit: number,
  change: (wire: WireCommit) => Partial<WireCommit>,
): readonly RecordedCommit[] =>
  withCommit(commit, ({ wire, meta }) => ({ wire: { ...wire, ...change(wire) }, meta }))
const withEvent = (change: Partial<WireEvent>): readonly RecordedCommit[] =>
  withWire(2, ({ events }) => ({ events: events.map((one, at) => (at === 1 ? { ...one, ...change } : one)) }))

/** Makes a commit consistent in itself again, as an attacker would. */
function resealed({ wire, meta }: RecordedCommit): RecordedCommit {
  const leaves = [metaLeaf(meta), ...wire.events.map(eventLeaf)]
  return {
    wire: { ...wire, leaves, chain: chainLink(wire.prev, wire.commit, commitRoot(wire, leaves)) },
    meta,
  }
}

test('a log as it was written is whole', () => {
  expect(check(threeCommits())).toEqual([3, 'whole'])
})

describe('a log is not whole', () => {
  test.each<[string, readonly RecordedCommit[], LogProblem]>([
    ['with another body', withEvent({ body: '{"x":1}' }), 'leaf_mismatch'],
    ['with the same body written differently', withEvent({ body: '{ }' }), 'leaf_mismatch'],
    ['with an event of another stream', withEvent({ stream: 'provider-c' }), 'leaf_mismatch'],
    ['with an event of another type', withEvent({ type: 'ProviderRemoved' }), 'leaf_mismatch'],
    ['with another version', withEvent({ sver: 9 }), 'leaf_mismatch'],
    ['with another schema version', withEvent({ sv: 2 }), 'leaf_mismatch'],
    [
      'with the last event of a commit gone',
      withWire(2, ({ events }) => ({ events: events.slice(0, 1) })),
      'event_missing',
    ],
    [
      'with the first event of a commit gone',
      withWire(2, ({ events }) => ({ events: events.slice(1) })),
      'event_missing',
    ],
    [
      'with events changed about',
      withWire(2, ({ events }) => ({ events: events.toReversed() })),
      'event_missing',
    ],
    [
      'with a leaf too many',
      withWire(2, ({ leaves }) => ({ leaves: [...leaves, leaves[0] ?? ''] })),
      'event_missing',
    ],
    [
      'with another actor',
      withCommit(2, ({ wire, meta }) => ({ wire, meta: { ...meta, actor: { kind: 'x', id: 'y' } } })),
      'meta_mismatch',
    ],
    [
      'with another reason',
      withCommit(2, ({ wire, meta }) => ({ wire, meta: { ...meta, reason: 'because' } })),
      'meta_mismatch',
    ],
    [
      'with another time',
      withCommit(2, ({ wire, meta }) => ({ wire, meta: { ...meta, at: meta.at + 1 } })),
      'meta_mismatch',
    ],
    ['with another time beside it', withWire(2, ({ at }) => ({ at: at + 1 })), 'chain_mismatch'],
    ['with another epoch', withWire(2, () => ({ epoch: 2 })), 'chain_mismatch'],
    ['with another tenant', withWire(2, () => ({ tenant: 'other' })), 'chain_mismatch'],
    [
      'with another link',
      withWire(2, ({ chain }) => ({ chain: chain.replace(/^./, 'x') })),
      'chain_mismatch',
    ],
    [
      'with a commit made for another past',
      withCommit(2, ({ wire, meta }) => resealed({ wire: { ...wire, prev: 'a'.repeat(64) }, meta })),
      'not_next_link',
    ],
  ])('%s', (_what, records, problem) => {
    expect(check(records)).toEqual([1, problem])
  })

  test('after a commit that was rewritten and sealed again', () => {
    const rewritten = withCommit(2, ({ wire, meta }) =>
      resealed({ wire, meta: { ...meta, reason: 'because' } }),
    )
    expect(check(rewritten)).toEqual([2, 'not_next_link'])
  })

  test('without its first, or a middle commit, or with one twice', () => {
    const [first, second, third] = threeCommits()
    if (first === undefined || second === undefined || third === undefined) throw new Error('there are three')
    expect(check([second, third])).toEqual([0, 'commit_missing'])
    expect(check([first, third])).toEqual([1, 'commit_missing'])
    expect(check([first, second, second, third])).toEqual([2, 'commit_missing'])
  })
})
