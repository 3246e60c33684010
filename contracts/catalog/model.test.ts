import { describe, expect, test } from 'vitest'
import { buildCommits } from '#test/arbitraries/commits.ts'
import { readCommit } from '../commit/commit.ts'
import { modelName, modelStream } from '../ids.ts'
import { EMPTY_CATALOG } from './catalog.ts'
import type { CatalogEvent } from './event.ts'
import { foldCommits } from './fold.ts'
import { LogicalModelDefinition, RouteTarget, type RoutingStrategy } from './model.ts'

const stream = modelStream(modelName('fast'))
const targets = [{ provider: 'a', model: 'm', weight: 1, tier: 0 }]
const base = { name: 'fast', origin: 'api' as const, targets, aliases: [] }
const created = (more: Readonly<{ strategy?: RoutingStrategy; region?: string }> = {}): CatalogEvent => ({
  type: 'LogicalModelCreated',
  stream,
  body: { ...base, ...more },
})

/** Strategy and region after these events, through the wire and back. */
function policy(...events: readonly CatalogEvent[]): readonly unknown[] {
  const commits = buildCommits(events.map((event) => [event])).map(readCommit)
  const model = foldCommits(EMPTY_CATALOG, commits).models.get(modelName('fast'))
  return [model?.strategy, model?.region]
}

describe('the policy of a logical model', () => {
  test('is absent where none was given, so that old events fold as they always did', () => {
    expect(policy(created())).toEqual([undefined, undefined])
  })

  test('stays as it was made until it is set', () => {
    const made = created({ strategy: 'latency', region: 'eu' })
    expect(policy(made)).toEqual(['latency', 'eu'])
    const costly: CatalogEvent = { type: 'RoutingStrategySet', stream, body: { strategy: 'cost' } }
    expect(policy(made, costly)).toEqual(['cost', 'eu'])
    const nowhere: CatalogEvent = { type: 'RegionPreferenceSet', stream, body: { region: null } }
    expect(policy(made, costly, nowhere)).toEqual(['cost', null])
  })

  test('is one of those there are', () => {
    const define = (more: object) => LogicalModelDefinition.safeParse({ targets, ...more }).success
    expect(['balanced', 'latency', 'cost', 'weights'].every((strategy) => define({ strategy }))).toBe(true)
    expect(define({ strategy: 'fastest' })).toBe(false)
    expect(define({ region: '' })).toBe(false)
  })
})

describe('a target', () => {
  const parse = (timeouts: object) => RouteTarget.safeParse({ provider: 'a', model: 'm', timeouts })

  test('may have deadlines of its own, each by itself, and no defaults for the others', () => {
    expect(parse({ idleMs: 900 }).data?.timeouts).toEqual({ idleMs: 900 })
  })

  test.each([
    ['one of connecting, which is the host’s', { connectMs: 100 }],
    ['one that is none', { answerMs: 0 }],
  ])('may not have %s', (_what, timeouts) => {
    expect(parse(timeouts).success).toBe(false)
  })
})
