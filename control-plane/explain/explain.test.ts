import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deploymentId, providerId } from '#contracts/ids.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { pick } from '#contracts/routing/pick.ts'
import { SOUND, type Candidate, type Standing } from '#contracts/routing/standing.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { recordChoice } from '#contracts/usage/choice.ts'
import type { UsageRecord } from '#contracts/usage/record.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { entry, usageRecord } from '#test/control-plane/usage-record.ts'

const MODEL = 'gpt-4o'
const TABLE = { epoch: 1, seq: 5, say: 1 }

let plane: AdminPlane
let commit = 0
beforeAll(async () => {
  plane = await openAdminPlane()
  const { api, ports } = plane
  for (const [at, id] of ['a', 'b', 'c'].entries()) {
    const definition = { name: id, kind: 'openai' as const, baseUrl: `https://${id}.example.com/v1` }
    const routing = { weight: at + 1, region: at === 2 ? 'eu' : 'us' }
    await api.providers.register({ id, definition: { ...definition, routing, models: { static: [MODEL] } } })
  }
  const targets = ['a', 'b', 'c'].map((provider) => ({ provider, model: MODEL, weight: 1, tier: 0 }))
  await api.models.create({ name: 'fast', targets })
  const weights = [{ provider: 'b', model: MODEL, weight: 6 }]
  const change = { name: 'fast', weights, expectedVersion: 1, reason: 'b is cheaper' }
  commit = (await api.models.setWeights(change)).commitNo
  await api.models.setWeights({ ...change, weights: [{ ...weights[0]!, weight: 9 }], expectedVersion: 2 })
  const said = { provider: 'c', model: MODEL, reason: 'errors 20 %', detail: null }
  const run = { epoch: 1, firstSeq: 3, firstAt: 1, at: 1 }
  await ports.weightTables.keep('w', [
    { ...run, seq: 3, entries: [{ ...said, factor: 0.9 }] },
    { ...run, seq: 4, entries: [{ ...said, factor: 0.25 }] },
    { ...run, seq: 6, entries: [{ ...said, factor: 1 }] },
  ])
})
afterAll(() => plane[Symbol.asyncDispose]())

/** A request as a node records it, with what it knows of each provider. */
function served(id: string, standings: Readonly<Record<string, Partial<Standing>>>, seed = 7): UsageRecord {
  const weights: Readonly<Record<string, number>> = { a: 1, b: 6, c: 1 }
  const candidates = ['a', 'b', 'c'].map((provider): Candidate => ({
    deployment: { id: deploymentId(providerId(provider), MODEL), region: null, cost: null },
    tier: 0,
    weight: weights[provider] ?? 0,
  }))
  const made = pick(candidates, {
    standing: ({ deployment }) => ({ ...SOUND, ...standings[deployment.id.slice(0, 1)] }),
    futility: () => 0,
    dice: diceOf(seed),
    session: null,
    taste: STRATEGIES.balanced,
    region: null,
  })
  const rounded = (value: number): number => Math.round(value * 1_000) / 1_000
  const chosen = made.kind === 'chosen' ? made.chosen.candidate.deployment.id : ''
  const [attempt] = usageRecord('').attempts
  return usageRecord(id, {
    commit,
    seed,
    asked: 'fast',
    model: 'fast',
    attempts: chosen === '' ? [] : [{ ...attempt!, provider: chosen.slice(0, 1), model: MODEL }],
    candidates: made.scored.map(({ candidate, tier, factor, share, standing }) => ({
      deployment: candidate.deployment.id,
      tier,
      weight: candidate.weight,
      factor: rounded(factor),
      share: rounded(share),
      out: standing.out,
    })),
    choices: [recordChoice(made, { taste: STRATEGIES.balanced, drawn: 0, table: TABLE }, 64)],
  })
}

const KNOWN = { c: { fleet: 0.25 }, a: { local: 0.5 } }

async function explained(record: UsageRecord) {
  await plane.ports.books.enter([entry(record)])
  return plane.api.requests.explain({ id: record.id })
}

describe('an explained request', () => {
  test('is made again from the log as it was then, and every value has its author', async () => {
    const found = await explained(served('req_plain', KNOWN))
    expect(found).toMatchObject({ verdict: 'equal', differences: [], notes: [], commitNo: commit })
    expect(found.route).toEqual({ kind: 'logical', strategy: 'balanced', region: null })
    const weight = found.causes.find(({ what }) => what === `weight of b/${MODEL} in fast`)
    expect(weight).toMatchObject({
      value: '6',
      commitNo: commit,
      reason: 'b is cheaper',
      actor: { id: 'admin' },
    })
    expect(weight?.words).toContain('has new weights')
    const tier = found.causes.find(({ what }) => what === `tier of b/${MODEL} in fast`)
    expect(tier).toMatchObject({ value: '0', commitNo: commit - 1 })
    expect(found.causes.find(({ what }) => what === 'state of a')).toMatchObject({ value: 'enabled' })
    expect(found.judgements).toMatchObject([{ provider: 'c', factor: 0.25, seq: 4, reason: 'errors 20 %' }])
    const [choice] = found.choices
    expect(choice?.candidates.map(({ why }) => why)).toEqual([
      'this node left it 50 % of its weight',
      null,
      'the prober left it 25 % of its weight',
    ])
  })

  test.each<[string, (record: UsageRecord) => Partial<UsageRecord>, RegExp]>([
    [
      'its choice',
      ({ choices }) => ({ choices: [{ ...choices![0]!, chosen: (choices![0]!.chosen! + 1) % 3 }] }),
      /choice 1 is/,
    ],
    ['its seed', () => ({ seed: 8_000_001 }), /choice 1 is|share|attempt/],
    [
      'a weight',
      ({ candidates }) => ({ candidates: candidates.map((one) => ({ ...one, weight: 2 })) }),
      /weight of a/,
    ],
    ['a candidate', ({ candidates }) => ({ candidates: candidates.slice(0, 2) }), /none at the node/],
    ['its commit', () => ({ commit: 1 }), /none by the log/],
    ['what the prober said', () => ({ choices: served('', { c: { fleet: 0.3 } }).choices }), /other factors/],
    [
      'where it went',
      ({ attempts }) => ({ attempts: [{ ...attempts[0]!, provider: 'z' }] }),
      /no choice had sent/,
    ],
  ])('is different from the log when %s was spoiled', async (what, spoil, said) => {
    const record = served(`req_${what.replaceAll(/\W/g, '_')}`, KNOWN)
    const found = await explained({ ...record, ...spoil(record) })
    expect(found.verdict).toBe('different')
    expect(found.differences.join('\n')).toMatch(said)
  })

  test('says when the table it was made by was not kept', async () => {
    const record = served('req_gap', KNOWN)
    const [choice] = record.choices ?? []
    const found = await explained({ ...record, choices: [{ ...choice!, table: { epoch: 1, seq: 99 } }] })
    expect(found).toMatchObject({ verdict: 'equal', judgements: [] })
    expect(found.notes).toEqual(["the weight table of choice 1 was not kept: its factors are the record's"])
  })

  test('of a node that held an entity back is what that node had', async () => {
    const record = served('req_held', KNOWN)
    const found = await explained({
      ...record,
      held: ['provider-c'],
      candidates: record.candidates.map((one, at) => (at === 2 ? { ...one, weight: 1 } : one)),
    })
    expect(found.verdict).toBe('equal')
    expect(found.notes).toEqual([
      `the node held c/${MODEL} at an earlier form: its weight and tier are the record's`,
    ])
  })

  test('is blamed, with others of its time, on what was changed before they turned bad', async () => {
    const { api, ports, clock } = plane
    const begun = clock.now()
    const [attempt] = usageRecord('').attempts
    const records = Array.from({ length: 120 }, (_, at) =>
      entry(
        usageRecord(`blame_${at}`, {
          at: begun + at * 1_000,
          model: 'blamed',
          candidates: served('', {}).candidates,
          attempts: [{ ...attempt!, provider: 'b', outcome: at < 60 ? 'success' : 'fault' }],
        }),
      ),
    )
    await ports.books.enter(records)
    clock.advance(58_000)
    const { version: expectedVersion } = (await api.providers.get({ id: 'b' })).provider
    const reason = 'they said so'
    const { commitNo } = await api.providers.drain({ id: 'b', expectedVersion, reason })
    clock.advance(70_000)
    const found = await api.audit.blame({ model: 'blamed', provider: 'b', from: begun })
    expect(found.shift).toMatchObject({ at: begun + 60_000, before: { mean: 0 }, after: { mean: 1 } })
    const [cause] = found.causes
    expect(cause).toMatchObject({ kind: 'commit', commitNo, actor: 'token:admin', reason })
    expect(cause?.words).toEqual(['provider b began to drain'])
    expect(await api.audit.blame({ model: 'nothing' })).toMatchObject({ shift: null, causes: [] })
  })

  test('is not blamed on moves of the prober that nobody saw: only on those whose start is known', async () => {
    const { api, ports, clock } = plane
    const begun = clock.now()
    const [attempt] = usageRecord('').attempts
    const records = Array.from({ length: 120 }, (_, at) =>
      entry(
        usageRecord(`moved_${at}`, {
          at: begun + at * 1_000,
          model: 'moved',
          attempts: [{ ...attempt!, provider: 'c', outcome: at < 60 ? 'success' : 'fault' }],
        }),
      ),
    )
    await ports.books.enter(records)
    const said = (model: string, factor: number) => ({
      provider: 'c',
      model,
      factor,
      reason: 'slow',
      detail: null,
    })
    const run = { epoch: 7, firstSeq: 1, firstAt: begun - 1_800_000 }
    await ports.weightTables.keep('w', [
      { ...run, seq: 1, at: begun - 1_800_000, entries: [said('long known', 0.9), said('same', 0.4)] },
      { ...run, seq: 2, at: begun + 50_000, entries: [said('long known', 0.3), said('never seen', 0.3)] },
      { ...run, seq: 3, at: begun + 55_000, entries: [said('never seen', 0.6), said('same', 0.4)] },
    ])
    clock.advance(120_000)
    const found = await api.audit.blame({ model: 'moved', provider: 'c', from: begun })
    expect(found.causes.flatMap(({ kind, words }) => (kind === 'weight' ? words : []))).toEqual([
      'the prober moved c/never seen from 0.30 to 0.60: slow',
      'the prober moved c/long known from 0.90 to 0.30: slow',
    ])
  })

  test('of an earlier release says that its record does not hold enough', async () => {
    expect(await explained(usageRecord('req_old', { commit }))).toMatchObject({ verdict: 'unknown' })
    await expect(plane.api.requests.explain({ id: 'nobody' })).rejects.toThrow('no record')
  })
})
