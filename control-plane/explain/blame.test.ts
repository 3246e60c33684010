import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { entry, usageRecord } from '#test/control-plane/usage-record.ts'
import { blame } from './blame.ts'

const CANDIDATE = { deployment: 'a/m', tier: 0, weight: 1, factor: 1, share: 1, out: null }
const MOST = { requests: 1_000, moves: 100, causes: 100 }

let plane: AdminPlane
let begun = 0
beforeAll(async () => {
  plane = await openAdminPlane()
  const { api, ports, clock } = plane
  await api.providers.register({
    id: 'a',
    definition: { name: 'a', kind: 'openai', baseUrl: 'https://a.example' },
  })
  clock.advance(3_600_000)
  begun = clock.now()
  // Good for a minute, and bad after it.
  const [attempt] = usageRecord('').attempts
  await ports.books.enter(
    Array.from({ length: 120 }, (_, at) => {
      const outcome = at < 60 ? 'success' : 'fault'
      const times = { at: begun + at * 1_000, candidates: [CANDIDATE] }
      return entry(usageRecord(`r${at}`, { ...times, attempts: [{ ...attempt!, provider: 'a', outcome }] }))
    }),
  )
  clock.advance(40_000)
  for (let times = 0; times < 3; times++) {
    clock.advance(1_000)
    const { version } = (await api.providers.get({ id: 'a' })).provider
    const change = { id: 'a', expectedVersion: version }
    await (times % 2 === 0 ? api.providers.drain(change) : api.providers.enable(change))
  }
  const said = { provider: 'a', model: 'm', reason: 'slow', detail: null }
  const tables = Array.from({ length: 6 }, (_, seq) => {
    const entries = [{ ...said, factor: 1 - seq / 10 }]
    return { epoch: 1, firstSeq: 0, firstAt: begun, seq, at: begun + 50_000 + seq * 1_000, entries }
  })
  await ports.weightTables.keep('w', tables)
})
afterAll(() => plane[Symbol.asyncDispose]())

const ask = (most: Partial<typeof MOST>) =>
  blame(plane.ports, { metric: 'errors', from: begun, to: begun + 120_000 }, { ...MOST, ...most })

test('blame that has looked at everything says so', async () => {
  const found = await ask({})
  expect(found).toMatchObject({ since: begun, requests: 120, limits: [], shift: { at: begun + 60_000 } })
  expect(found.causes.map(({ kind }) => kind)).toEqual([
    ...Array<string>(5).fill('weight'),
    ...Array<string>(3).fill('commit'),
  ])
})

test('blame of more requests than it can look at is of the newest, and says from when on', async () => {
  const found = await ask({ requests: 90 })
  expect(found).toMatchObject({ since: begun + 30_000, requests: 90, shift: { at: begun + 60_000 } })
  const since = new Date(begun + 30_000).toISOString()
  expect(found.limits).toEqual([
    `There were more than 90 requests: only those from ${since} on were looked at.`,
  ])
})

test('blame of more moves than it can look at names the newest, and says from when on', async () => {
  const found = await ask({ moves: 2 })
  expect(found.causes.flatMap(({ kind, words }) => (kind === 'weight' ? words : []))).toEqual([
    'the prober moved a/m from 0.60 to 0.50: slow',
    'the prober moved a/m from 0.70 to 0.60: slow',
  ])
  expect(found.limits).toEqual([
    `Of the moves of the prober only those from ${new Date(begun + 53_001).toISOString()} on were looked at: there were too many.`,
  ])
})

test('blame that finds more than it can list lists the last ones, and says so', async () => {
  const found = await ask({ causes: 6 })
  expect(found.causes).toHaveLength(6)
  expect(found.causes.at(-1)).toMatchObject({ kind: 'commit', at: begun + 43_000 })
  expect(found.limits).toEqual([
    `More than 6 changes preceded: those before ${new Date(begun + 43_000).toISOString()} are not listed.`,
  ])
})
