import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stateDigest } from '#contracts/commit/digest.ts'
import { CHECKPOINT_EVERY, Checkpoints } from '#control-plane/audit/checkpoint.ts'
import { History } from '#control-plane/audit/history.ts'
import { verifyFile } from '#control-plane/admin/cli/log-file.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { nodeReport } from '#test/control-plane/node-report.ts'

let plane: AdminPlane
let api: AdminPlane['api']
/** State digest after each commit, by the ledger that folded it live. */
const digests: string[] = []

beforeAll(async () => {
  plane = await openAdminPlane()
  api = plane.api
  const { ledger } = plane.ports
  const keep = (): void => void (digests[ledger.catalog.commit] = ledger.snapshot.digest)
  keep()
  ledger.onCommits(keep)
  const definition = { name: 'A', kind: 'openai', baseUrl: 'https://api.example/v1' } as const
  await api.providers.register({ id: 'a', definition, credentials: [{ apiKey: 'sk-secret-a' }] })
  plane.clock.advance(1_000)
  await api.models.create({ name: 'fast', targets: [{ provider: 'a', model: 'm' }] })
  await api.models.setWeights({
    name: 'fast',
    expectedVersion: 1,
    weights: [{ provider: 'a', model: 'm', weight: 5 }],
  })
  plane.clock.advance(1_000)
  await api.keys.issue({ name: 'k' })
})
afterAll(() => plane[Symbol.asyncDispose]())

describe('the state at a commit', () => {
  test('is what the ledger had then, at every commit', async () => {
    for (let commit = 1; commit <= 5; commit++) {
      expect(await api.audit.stateAt({ commit })).toMatchObject({ commitNo: commit, digest: digests[commit] })
    }
  })

  test('is asked by time too, and of one entity', async () => {
    const time = new Date(1_700_000_001_500).toISOString()
    const state = await api.audit.stateAt({ time, stream: 'model-fast' })
    expect(state).toMatchObject({ commitNo: 4, providers: [], keys: [] })
    expect(state.models.map(({ name, targets }) => [name, targets[0]?.weight])).toEqual([['fast', 5]])
    expect(await api.audit.stateAt({ time: '2001-01-01T00:00:00Z' })).toMatchObject({
      commitNo: 0,
      models: [],
    })
  })

  test('tells no secret, no place in the vault and no digest of a key', async () => {
    const told = JSON.stringify(await api.audit.stateAt({}))
    expect(told).not.toMatch(/sk-secret-a|sec_/)
    for (const key of plane.ports.ledger.catalog.keys.values()) expect(told).not.toContain(key.digest)
  })

  test('that is not there yet is refused by the name of the option', async () => {
    await expect(api.audit.stateAt({ commit: 99 })).rejects.toThrow('commit: the log ends at commit 5')
    await expect(api.audit.diff({ from: 1, to: 99 })).rejects.toThrow('to: the log ends at commit 5')
    await expect(api.audit.stateAt({ commit: 1, time: '2001-01-01T00:00:00Z' })).rejects.toThrow('name one')
  })

  test('is the same whether it starts from a kept state or from nothing, and a forged one is not used', async () => {
    const { past, signer, ledger, logger } = plane.ports
    const fresh = () => new History({ past, signer, head: () => ledger.catalog, logger }, 2)
    for (const commit of [4, 3, 2, 1, 4]) expect(stateDigest(await fresh().at(commit))).toBe(digests[commit])
    expect(plane.logged).toEqual([])
    const forged = { body: '{"commit":2}', signature: signer.sign('manifest', '{"commit":2}').signature }
    await past.keepSnapshot(2, forged)
    expect(stateDigest(await fresh().at(3))).toBe(digests[3])
    expect(plane.logged.join('\n')).toContain('a state kept in the database is not what was written')
    await sql`delete from cp_snapshot`.execute(plane.database)
  })
})

test('the difference of two commits is told in words', async () => {
  expect(await api.audit.diff({ from: 3, to: 5, stream: 'model-fast' })).toEqual({
    from: 3,
    to: 5,
    entities: [
      {
        stream: 'model-fast',
        entity: 'model fast',
        change: 'changed',
        words: ['target a/m: weight 1, tier 0 → weight 5, tier 0'],
      },
    ],
  })
  const { entities } = await api.audit.diff({ from: 5, to: 0 })
  expect(entities.map(({ entity, change }) => [entity.split(' ')[0], change])).toEqual([
    ['key', 'removed'],
    ['model', 'removed'],
    ['provider', 'removed'],
    ['the', 'removed'],
  ])
})

describe('a replay', () => {
  const report = (node: string, applied: number, digest = digests[applied] ?? '') =>
    nodeReport(node, { epoch: 1, received: applied, applied, persisted: applied, served: applied, digest })

  test('folds to the state that every node served, now and then', async () => {
    plane.ports.fleet.onReport(report('n1', 5))
    await plane.ports.past.keepServed([{ report: report('n2', 3), lastSeen: 7 }], 0)
    expect(await api.audit.replay()).toMatchObject({
      ok: true,
      commit: 5,
      digest: digests[5],
      nodes: [{ node: 'n1', verdict: 'equal' }],
    })
    expect(await api.audit.replay({ commit: 3 })).toMatchObject({
      ok: true,
      digest: digests[3],
      nodes: [{ node: 'n2', verdict: 'equal', seenAt: 7 }],
    })
  })

  test('names a node that served something else, and does not compare what folds differently', async () => {
    plane.ports.fleet.onReport(report('n3', 5, 'f'.repeat(64)))
    plane.ports.fleet.onReport({ ...report('n4', 5, 'e'.repeat(64)), foldVersion: 99 })
    const { ok, nodes } = await api.audit.replay({ commit: 5 })
    expect(ok).toBe(false)
    expect(nodes.map(({ node, verdict }) => [node, verdict])).toEqual([
      ['n1', 'equal'],
      ['n3', 'different'],
      ['n4', 'other_fold'],
    ])
  })
})

describe('checkpoints', () => {
  test('are signed of the head when anything is new, kept, told and logged', async () => {
    const { ledger, past, signer, clock, logger } = plane.ports
    const checkpoints = new Checkpoints({ ledger, past, signer, clock, logger })
    await checkpoints.tick()
    await checkpoints.tick()
    plane.clock.advance(CHECKPOINT_EVERY.ms)
    await checkpoints.tick()
    const { checkpoints: told, publicKey, next } = await api.audit.checkpoints()
    expect(told.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
      {
        v: 1,
        logId: 'test-log',
        epoch: 1,
        commit: 5,
        chain: ledger.snapshot.chain,
        digest: digests[5],
        foldVersion: 1,
        at: 1_700_000_002_000,
      },
    ])
    expect([publicKey, next]).toEqual([signer.verifier.publicKey, null])
    expect(plane.logged.join('\n')).toContain('checkpoint of the log')
    expect(await api.audit.replay()).toMatchObject({ checkpoint: 'equal' })
  })

  test('are what the log must lead to: a rewritten one is found, and a forged statement', async () => {
    expect(await api.audit.verify()).toMatchObject({ ok: true, checkpoints: 1, forged: 0 })
    await sql`update cp_checkpoint set statement = replace(statement, '"commit":5', '"commit":4')`.execute(
      plane.database,
    )
    expect(await api.audit.verify()).toMatchObject({ ok: false, forged: 1 })
    await sql`update cp_checkpoint set statement = replace(statement, '"commit":4', '"commit":5')`.execute(
      plane.database,
    )
  })
})

describe('an export', () => {
  test('can be checked by whoever has the public key, whole or in part', async () => {
    const whole = await api.audit.export()
    expect(whole).toMatchObject({ from: 1, through: 5, next: null })
    const { checkpoints, publicKey } = await api.audit.checkpoints()
    expect(verifyFile(whole.ndjson, publicKey, JSON.stringify({ checkpoints }))).toEqual({
      ok: true,
      from: 1,
      through: 5,
      chain: plane.ports.ledger.snapshot.chain,
    })
    const part = await api.audit.export({ from: 3, through: 4 })
    expect(verifyFile(part.ndjson, publicKey, null)).toMatchObject({ ok: true, from: 3, through: 4 })
    expect(whole.ndjson).not.toContain('sk-secret-a')
  })

  test('in segments is one export', async () => {
    const [first, second] = [
      await api.audit.export({ through: 2 }),
      await api.audit.export({ from: 1, next: 3, through: 5 }),
    ]
    const { publicKey } = plane.ports.signer.verifier
    // Two exports put together are not one: each said how far it goes.
    expect(verifyFile(first.ndjson + second.ndjson, publicKey, null)).toMatchObject({
      ok: false,
      firstBad: { commit: 3, problem: 'manifest_misplaced' },
    })
  })
})
