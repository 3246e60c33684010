import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildCommits } from '#test/arbitraries/commits.ts'
import { history } from '#test/arbitraries/history.ts'
import { canonical } from '../canonical.ts'
import { EMPTY_CATALOG, FOLD_VERSION } from '../catalog/catalog.ts'
import type { CatalogEvent } from '../catalog/event.ts'
import { foldCommits } from '../catalog/fold.ts'
import { CHAIN_START } from './chain.ts'
import { readCommit } from './commit.ts'
import { nextDigest, stateDigest } from './digest.ts'
import { decodeSnapshot, encodeSnapshot, type CatalogSnapshot } from './snapshot.ts'

function snapshotOf(batches: readonly (readonly CatalogEvent[])[]): CatalogSnapshot {
  const commits = buildCommits(batches)
  const catalog = foldCommits(EMPTY_CATALOG, commits.map(readCommit))
  return { catalog, chain: commits.at(-1)?.chain ?? CHAIN_START, digest: stateDigest(catalog) }
}

const [sample] = fc.sample(
  history.filter((batches) => snapshotOf(batches).catalog.providers.size > 0),
  { numRuns: 1, seed: 1 },
)
const snapshot = snapshotOf(sample ?? [])
const changed = (change: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...(JSON.parse(encodeSnapshot(snapshot)) as object), ...change })
const problem = (text: string, verify = true): string => {
  const decoded = decodeSnapshot(text, verify)
  return decoded.ok ? 'accepted' : decoded.error.kind
}

describe('a catalog snapshot', () => {
  test('brings back the catalog it was made of', () => {
    fc.assert(
      fc.property(history, fc.boolean(), (batches, verify) => {
        const made = snapshotOf(batches)
        expect(decodeSnapshot(encodeSnapshot(made), verify)).toEqual({ ok: true, value: made })
      }),
    )
  })

  test('is a canonical text', () => {
    const text = encodeSnapshot(snapshot)
    expect(canonical(JSON.parse(text) as never)).toBe(text)
  })

  test('with the rest of the log makes the same catalog as the whole log', () => {
    fc.assert(
      fc.property(history, history, (before, after) => {
        const commits = buildCommits([...before, ...after])
        const made = snapshotOf(before)
        const loaded = decodeSnapshot(encodeSnapshot(made), true)
        if (!loaded.ok) throw new Error(loaded.error.detail)
        const tail = foldCommits(loaded.value.catalog, commits.slice(before.length).map(readCommit))
        const whole = foldCommits(EMPTY_CATALOG, commits.map(readCommit))
        expect(tail).toEqual(whole)
        expect(nextDigest(loaded.value.digest, loaded.value.catalog, tail)).toBe(stateDigest(whole))
        expect(loaded.value.chain).toBe(commits[before.length - 1]?.chain ?? CHAIN_START)
      }),
    )
  })

  test('of another fold version is refused: its entities may mean something else', () => {
    expect(problem(changed({ foldVersion: FOLD_VERSION + 1 }))).toBe('other_fold_version')
    expect(problem(changed({ foldVersion: FOLD_VERSION + 1 }), false)).toBe('other_fold_version')
  })

  test('with another digest is refused when it is verified', () => {
    const other = 'f'.repeat(64)
    expect(problem(changed({ digest: other }))).toBe('digest_mismatch')
    expect(problem(changed({ digest: other }), false)).toBe('accepted')
  })

  test.each(['providers', 'versions'])('that lost or gained one of its %s is refused', (kind) => {
    const pairs = (JSON.parse(encodeSnapshot(snapshot)) as Record<string, [string, unknown][]>)[kind] ?? []
    expect(pairs.length).toBeGreaterThan(0)
    expect(problem(changed({ [kind]: pairs.slice(1) }))).toBe('digest_mismatch')
    expect(problem(changed({ [kind]: [...pairs, ['extra', 1]] }))).toBe('digest_mismatch')
    expect(problem(changed({ [kind]: pairs.map(([id]) => [id, { hostile: true }]) }))).toBe('digest_mismatch')
  })

  test.each<[string, string]>([
    ['no JSON', '{'],
    ['another format', changed({ format: 2 })],
    ['no commit', changed({ commit: null })],
    ['a short chain', changed({ chain: 'abc' })],
    ['entities that are no pairs', changed({ providers: [['only one']] })],
    ['entities that are an object', changed({ keys: {} })],
    ['nothing', ''],
    ['another value', '[1]'],
  ])('that is %s is malformed', (_what, text) => {
    expect(problem(text)).toBe('malformed')
  })

  test('never throws on any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(decodeSnapshot(text, true).ok).toBe(false)
      }),
    )
  })
})
