import { afterAll, beforeAll, expect, test } from 'vitest'
import type { WeightDetail } from '#contracts/weights/table.ts'
import { adminApi, openAdminPlane, type AdminApi, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import type { SaidWeights } from '../nodes/weights.ts'

const DETAIL: WeightDetail = {
  state: 'degraded',
  stateMs: 4_200,
  errors: 0.12,
  errorsOfBest: 0.015,
  slowness: 1.2,
  slownessOfAll: 1,
  floor: 0.01,
  rate: 12.3,
  cap: 9,
  usual: { sse: { t0: 300, perK: 20 } },
}

let plane: AdminPlane
let api: AdminApi
let said: SaidWeights | null
beforeAll(async () => {
  plane = await openAdminPlane()
  api = adminApi({ ...plane.ports, weights: { of: () => null, current: () => said } })
})
afterAll(() => plane[Symbol.asyncDispose]())

const saying = (say: number, detail: WeightDetail | null): SaidWeights => ({
  epoch: 3,
  seq: 9,
  ageMs: 500,
  say,
  factors: [
    { provider: 'a', model: 'm', published: 0.4, factor: 0.4 + 0.6 * (1 - say), reason: 'errors', detail },
  ],
})

test('without a prober there are no factors, and everybody keeps its weight', async () => {
  said = null
  expect(await api.weights.current()).toEqual({ table: null, factors: [] })
  expect(await api.weights.why({ provider: 'a', model: 'm' })).toMatchObject({ factor: 1 })
})

test('every factor is told with the table it comes from', async () => {
  said = saying(1, DETAIL)
  expect(await api.weights.current()).toEqual({
    table: { epoch: 3, seq: 9, ageMs: 500, say: 1 },
    factors: said.factors,
  })
})

test('a factor is explained by what it was judged by', async () => {
  said = saying(1, DETAIL)
  const { factor, steps } = await api.weights.why({ provider: 'a', model: 'm' })
  expect(factor).toBeCloseTo(0.4)
  expect(steps).toEqual([
    '12.3 attempts a second over the fleet.',
    'Errors 12 %, 11 % beyond the best peer; up to 3.0 % cost nothing.',
    '1.20 times its usual time beside its peers; up to 1.5 times costs nothing.',
    'By that it would keep 50 %, and never less than 1.0 %.',
    'It is degraded for 4 s, which leaves 40 %: falling is at once, growing a quarter a second.',
    'It accepts 9.0 attempts a second and refuses more.',
  ])
})

test('an old table, and one of an older prober, say what they still can', async () => {
  said = saying(0.5, null)
  const { steps } = await api.weights.why({ provider: 'a', model: 'm' })
  expect(steps).toEqual([
    'The prober says 40 %: errors.',
    'The table is old and still says 50 %: 70 % counts.',
  ])
})
