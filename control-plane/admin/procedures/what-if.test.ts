import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import {
  listenAdmin,
  openAdminPlane,
  ADMIN_TOKEN,
  type AdminPlane,
  type Listener,
} from '#test/control-plane/admin-plane.ts'
import { runCommand } from '#test/control-plane/command-line.ts'
import { drive, targetsOf, UPSTREAM } from '#test/control-plane/driven-traffic.ts'
import { entry, usageRecord } from '#test/control-plane/usage-record.ts'
import { readWindow } from '../../what-if/read-window.ts'
import { createAdminClient, failureOf } from '../client.ts'

const HOUR_MS = 3_600_000
const PRICE = { input: 1, output: 2 }
const NATURES = { a: { ms: 100, errors: 0 }, b: { ms: 400, errors: 0.1 } }

let plane: AdminPlane
let catalog: Catalog
beforeAll(async () => {
  plane = await openAdminPlane()
  const { api, ports, clock } = plane
  for (const id of ['a', 'b', 'c']) {
    const routing = { costInput: 1, costOutput: 2 }
    const definition = { name: id, kind: 'openai' as const, baseUrl: `https://${id}.example/v1`, routing }
    await api.providers.register({ id, definition })
  }
  const targets = targetsOf(['a', 'b'].map((provider) => ({ provider, weight: 1 })))
  await api.models.create({ name: 'fast', targets })
  ;({ catalog } = ports.ledger)
  const records = drive(catalog, { model: 'fast', requests: 1_000, seed: 11, natures: NATURES })
  // The traffic of the last minutes.
  const end = records.at(-1)?.at ?? 0
  clock.advance(end + 1_000 - clock.now())
  await ports.books.enter(records.map((record) => entry(record, { price: PRICE })))
  await ports.books.enter([
    entry(usageRecord('req_old_release', { at: end, commit: 3 })),
    entry(usageRecord('req_no_choice', { at: end, commit: 3, choices: [] })),
  ])
})
afterAll(() => plane[Symbol.asyncDispose]())

const YAML = `
models:
  fast: { targets: [{ provider: a, model: ${UPSTREAM}, weight: 9 }, { provider: b, model: ${UPSTREAM} }] }
`

const shareOf = ({ targets }: Awaited<ReturnType<AdminPlane['api']['config']['whatIf']>>, provider: string) =>
  targets.find(({ deployment }) => deployment === `${provider}/${UPSTREAM}`)?.share

describe('config.whatIf', () => {
  test('answers for a file, and writes nothing', async () => {
    const found = await plane.api.config.whatIf({ yaml: YAML })
    expect(found.requests).toEqual({
      recorded: 1_002,
      times: 1,
      used: 1_000,
      unused: [
        { why: 'ended before it came to a choice', requests: 1 },
        { why: 'recorded by a release that did not record choices', requests: 1 },
      ],
    })
    expect(found.entities.map(({ entity, change }) => `${entity} ${change}`)).toEqual(['model fast changed'])
    expect(shareOf(found, 'a')?.recorded).toBeCloseTo(0.5, 1)
    expect(shareOf(found, 'a')?.present).toBe(shareOf(found, 'a')?.recorded)
    expect(shareOf(found, 'a')?.changed).toBeCloseTo(0.9, 1)
    expect(found.total.changed.firstMs?.p50).toBeLessThan(130)
    expect(found.total.changed.costPer1000).toBeCloseTo(2)
    expect(found.limits.length).toBeGreaterThan(3)
    expect(plane.ports.ledger.catalog).toBe(catalog)
  })

  test('answers for changes as they would be made, one after the other, on top of the file', async () => {
    const targets = targetsOf(['b', 'c'].map((provider) => ({ provider, weight: 1 })))
    const found = await plane.api.config.whatIf({
      yaml: YAML,
      changes: [
        { procedure: 'providers.update', input: { id: 'b', definition: { routing: { costInput: 5 } } } },
        { procedure: 'models.setTargets', input: { name: 'fast', targets } },
        { procedure: 'models.setStrategy', input: { name: 'fast', strategy: 'cost' } },
        { procedure: 'providers.disable', input: { id: 'a' } },
      ],
    })
    expect(found.entities.map(({ entity }) => entity)).toEqual(['model fast', 'provider a', 'provider b'])
    expect(shareOf(found, 'c')?.changed).toBeGreaterThan(0.8)
    expect(found.limits[0]).toContain(`Nobody was sent to c/${UPSTREAM}`)
    expect(plane.ports.ledger.catalog).toBe(catalog)
    const { calls } = await plane.api.audit.calls()
    expect(calls.map(({ procedure }) => procedure)).not.toContain('providers.disable')
  })

  test('without a change tells what is there, and of another time nothing', async () => {
    const found = await plane.api.config.whatIf()
    expect(found.entities).toEqual([])
    expect(shareOf(found, 'b')?.changed).toBe(shareOf(found, 'b')?.recorded)
    const before = await plane.api.config.whatIf({ to: 1_000_000, hours: 1 })
    expect(before).toMatchObject({ requests: { recorded: 0 }, models: [], targets: [] })
  })

  test.each([
    [
      'yaml',
      { yaml: 'models: { fast: { targets: [{ provider: nobody, model: m }] } }' },
      /models\[0\]\.targets/,
    ],
    ['a variable', { yaml: 'providers: { b: { baseUrl: "${X}" } }' }, /yaml: \$\{X\} is not set/],
    [
      'a procedure',
      { changes: [{ procedure: 'keys.revoke', input: {} }] },
      /changes\[0\]\.procedure: is no change/,
    ],
    [
      'an entity',
      { changes: [{ procedure: 'models.retire', input: { name: 'x' } }] },
      /changes\[0\]: model x does not/,
    ],
    [
      'an input',
      { changes: [{ procedure: 'models.setStrategy', input: { name: 'fast', strategy: 'best' } }] },
      /changes\[0\]\.input\.strategy/,
    ],
    ['hours', { hours: 1_000 }, /hours/],
  ])('refuses %s that cannot be, by its path', async (_, input, said) => {
    await expect(plane.api.config.whatIf(input)).rejects.toThrow(said)
  })

  test('thins out a window that holds too much, evenly and always the same way', async () => {
    const { ports, clock } = plane
    const ask = () =>
      readWindow({ usage: ports.usage, tables: ports.weightTables }, clock.now() - HOUR_MS, clock.now(), {
        requests: 250,
        moves: 3,
      })
    const some = await ask()
    expect(some).toMatchObject({ recorded: 1_002, times: 5 })
    expect(some.requests.length).toBeGreaterThan(150)
    expect(some.requests.length).toBeLessThan(250)
    expect(await ask()).toEqual(some)
  })

  test('counts what cannot be asked of a sample for as many as it stands for', async () => {
    const { ports } = plane
    const at = 5_000_000
    const ids = Array.from({ length: 400 }, (_, of) => `req_old_${of}`)
    await ports.books.enter(ids.map((id) => entry(usageRecord(id, { at, commit: 3 }))))
    const read = (requests: number) =>
      readWindow({ usage: ports.usage, tables: ports.weightTables }, at, at + 1, { requests, moves: 1 })
    const why = 'recorded by a release that did not record choices'
    expect((await read(400)).unused.get(why)).toBe(400)
    const { times, unused } = await read(100)
    const told = unused.get(why) ?? 0
    expect([times, told % 4]).toEqual([4, 0])
    expect(told).toBeGreaterThan(280)
    expect(told).toBeLessThan(520)
  })

  test('keeps the newest of what the prober said, where it is too much, and says from when on', async () => {
    const { ports, clock } = plane
    const end = clock.now()
    const tables = Array.from({ length: 6 }, (_, seq) => ({
      epoch: 1,
      firstSeq: 0,
      firstAt: end - 60_000,
      seq,
      at: end - 60_000 + seq * 1_000,
      entries: [{ provider: 'a', model: UPSTREAM, factor: 1 - seq / 10, reason: 'slow', detail: null }],
    }))
    await ports.weightTables.keep('w', tables)
    const read = (moves: number) =>
      readWindow({ usage: ports.usage, tables: ports.weightTables }, end - HOUR_MS, end, {
        requests: 2_000,
        moves,
      })
    const { moves, movesSince } = await read(4)
    expect(moves.map(({ factor }) => factor)).toEqual([0.8, 0.7, 0.6, 0.5])
    expect(movesSince).toBe(end - 60_000 + 1_001)
    expect(await read(6)).toMatchObject({ movesSince: null })
  })

  test('answers one after the other', async () => {
    const [one, other] = await Promise.allSettled([plane.api.config.whatIf(), plane.api.config.whatIf()])
    expect(one.status).toBe('fulfilled')
    expect(other).toMatchObject({ reason: { code: 'TOO_MANY_REQUESTS' } })
    expect((await plane.api.config.whatIf()).requests.used).toBe(1_000)
  })

  describe('over HTTP', () => {
    let listener: Listener
    beforeAll(async () => {
      listener = await listenAdmin(plane.ports)
    })
    afterAll(() => listener[Symbol.asyncDispose]())

    const run = (...args: readonly string[]) =>
      runCommand(listener.url, args, {
        readText: (path) =>
          path === 'changes.yaml' ? Promise.resolve(YAML) : Promise.reject(new Error(path)),
      })

    test('is a command whose answer people read', async () => {
      const shown = await run('config', 'what-if', '--yaml', '@changes.yaml', '--hours', '6')
      expect(shown).toMatchObject({ status: 0, error: '' })
      expect(shown.out).toMatch(/^model fast changed: .*weight/)
      const shares = `fast +a/${UPSTREAM} +[\\d.]+ % +[\\d.]+ % +(8|9)\\d\\.\\d % +\\d\\.\\d %`
      expect(shown.out).toMatch(new RegExp(shares))
      expect(shown.out).toContain('- Every request is made again with its own dice')
    })

    test('takes single changes as JSON', async () => {
      const change = '{"procedure":"providers.disable","input":{"id":"b"}}'
      const single = await run('config', 'what-if', '--changes', change, '--json')
      expect(JSON.parse(single.out)).toMatchObject({ entities: [{ entity: 'provider b' }] })
    })

    test('tells by its path what it cannot take', async () => {
      const refused = await run('config', 'what-if', '--changes', '{"procedure":"no","input":{}}')
      expect(refused).toMatchObject({
        status: 64,
        error: expect.stringContaining('changes[0].procedure: is no'),
      })
      const client = createAdminClient({ url: listener.url, token: ADMIN_TOKEN })
      const problem = await client.config.whatIf
        .mutate({ yaml: 'models: 1' })
        .catch((error: unknown) => failureOf(error))
      expect(problem).toMatchObject({ code: 'BAD_REQUEST', issues: [{ path: 'yaml' }] })
    })
  })
})
