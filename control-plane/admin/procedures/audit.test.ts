import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminApi, openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { Ledger } from '../../commands/ledger.ts'

let plane: AdminPlane
let api: AdminPlane['api']
beforeAll(async () => {
  plane = await openAdminPlane()
  api = plane.api
  const definition = { name: 'A', kind: 'openai', baseUrl: 'https://api.example/v1' } as const
  await api.providers.register({ id: 'a', definition, credentials: [{ apiKey: 'sk-a' }], reason: 'first' })
  plane.clock.advance(1_000)
  await api.providers.register({ id: 'b', definition })
  await api.models.create({ name: 'fast', targets: [{ provider: 'a', model: 'm' }] })
  await api.providers.disable({ id: 'b', expectedVersion: 1, reason: 'too slow' })
  await api.keys.issue({ name: 'k' })
})
afterAll(() => plane[Symbol.asyncDispose]())

describe('the audit list', () => {
  const numbers = async (filter: Parameters<typeof api.audit.list>[0]) =>
    (await api.audit.list(filter)).commits.map(({ commitNo }) => commitNo)

  test('tells who did what, when, why and with which events, newest first', async () => {
    const { commits, next } = await api.audit.list()
    expect(commits.map(({ commitNo }) => commitNo)).toEqual([6, 5, 4, 3, 2, 1])
    expect(next).toBeNull()
    expect(commits[4]).toEqual({
      commitNo: 2,
      at: 1_700_000_000_000,
      actor: { kind: 'token', id: 'admin' },
      command: 'RegisterProvider',
      commandId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      reason: 'first',
      epoch: 1,
      chain: expect.stringMatching(/^[0-9a-f]{64}$/),
      events: [
        {
          stream: 'provider-a',
          version: 1,
          type: 'ProviderRegistered',
          schemaVersion: 1,
          body: expect.objectContaining({ origin: 'api' }),
        },
        {
          stream: 'provider-a',
          version: 2,
          type: 'CredentialAdded',
          schemaVersion: 1,
          body: expect.objectContaining({ weight: 1 }),
        },
      ],
      words: [
        expect.stringMatching(/^provider a was registered through the API: name A, /),
        expect.stringMatching(/^provider a got credential cred_/),
      ],
    })
    expect(commits[1]).toMatchObject({ commitNo: 5, reason: 'too slow', at: 1_700_000_001_000 })
    expect(commits[0]?.chain).toBe(plane.ports.ledger.snapshot.chain)
  })

  test('answers by stream, by type, by actor, and by all at once', async () => {
    expect(await numbers({ stream: 'provider-b' })).toEqual([5, 3])
    expect(await numbers({ type: 'ProviderRegistered' })).toEqual([3, 2])
    expect(await numbers({ actor: 'system' })).toEqual([1])
    expect(await numbers({ actor: 'start' })).toEqual([1])
    expect(await numbers({ actor: 'admin', stream: 'provider-b', type: 'ProviderDisabled' })).toEqual([5])
    // Both in one event: a commit that has each in another one does not match.
    expect(await numbers({ stream: 'provider-b', type: 'CredentialAdded' })).toEqual([])
    expect(await numbers({ actor: "admin' or true --" })).toEqual([])
    expect(await numbers({ stream: 'provider-%' })).toEqual([])
    const second = new Date(1_700_000_001_000).toISOString()
    expect(await numbers({ since: second })).toEqual([6, 5, 4, 3])
    expect(await numbers({ until: second })).toEqual([2, 1])
    expect(await numbers({ since: second, until: second })).toEqual([])
  })

  test('comes in pages that join without a gap', async () => {
    const seen: number[] = []
    let before: number | undefined
    for (let pages = 0; pages < 10; pages++) {
      const page = await api.audit.list({ limit: 2, before })
      seen.push(...page.commits.map(({ commitNo }) => commitNo))
      if (page.next === null) break
      before = page.next
    }
    expect(seen).toEqual([6, 5, 4, 3, 2, 1])
  })
})

describe('verifying the log', () => {
  /** Changes history as nobody may: with the triggers off. Puts it back afterwards. */
  async function tampered(change: string, undo: string): Promise<unknown> {
    const run = (statement: string) => sql.raw(statement).execute(plane.database)
    for (const table of ['cp_commit', 'cp_event']) await run(`alter table ${table} disable trigger all`)
    try {
      await run(change)
      return await api.audit.verify()
    } finally {
      await run(undo)
      for (const table of ['cp_commit', 'cp_event']) await run(`alter table ${table} enable trigger all`)
    }
  }

  test('finds it whole, and tells the link to keep elsewhere', async () => {
    expect(await api.audit.verify()).toEqual({
      ok: true,
      commits: 6,
      chain: plane.ports.ledger.snapshot.chain,
      checkpoints: 0,
      forged: 0,
    })
  })

  test('finds the first commit that was changed', async () => {
    const change =
      "update cp_event set body = replace(body, 'api.example', 'evil.example') where commit_no = 3"
    const undo = "update cp_event set body = replace(body, 'evil.example', 'api.example') where commit_no = 3"
    expect(await tampered(change, undo)).toMatchObject({
      ok: false,
      commits: 2,
      firstBad: { commit: 3, problem: 'leaf_mismatch' },
    })
    expect(await api.audit.verify()).toMatchObject({ ok: true })
  })

  test('finds an event gone and a reason rewritten', async () => {
    await sql`create table kept as select * from cp_event where commit_no = 2 and idx = 1`.execute(
      plane.database,
    )
    expect(
      await tampered(
        'delete from cp_event where commit_no = 2 and idx = 1',
        'insert into cp_event select * from kept',
      ),
    ).toMatchObject({ firstBad: { commit: 2, problem: 'event_missing' } })
    expect(
      await tampered(
        "update cp_commit set meta = replace(meta, 'too slow', 'boredom') where commit_no = 5",
        "update cp_commit set meta = replace(meta, 'boredom', 'too slow') where commit_no = 5",
      ),
    ).toMatchObject({ firstBad: { commit: 5, problem: 'meta_mismatch' } })
  })

  test('finds an end cut off cleanly, because this process has seen more', async () => {
    const { chain } = plane.ports.ledger.snapshot
    await sql`create table cut as select * from cp_commit where commit_no = 6`.execute(plane.database)
    await sql`create table cut_events as select * from cp_event where commit_no = 6`.execute(plane.database)
    const result = await tampered(
      `delete from cp_event where commit_no = 6; delete from cp_commit where commit_no = 6;
       update cp_head set commit_no = 5, chain = (select chain from cp_commit where commit_no = 5)`,
      `insert into cp_commit select * from cut; insert into cp_event select * from cut_events;
       update cp_head set commit_no = 6, chain = decode('${chain}', 'hex')`,
    )
    expect(result).toMatchObject({
      ok: false,
      commits: 5,
      firstBad: { commit: 6, problem: 'commit_missing' },
    })
  })

  test('finds a head that the log does not lead to', async () => {
    const { chain } = plane.ports.ledger.snapshot
    const result = await tampered(
      "update cp_head set chain = decode(repeat('ab', 32), 'hex')",
      `update cp_head set chain = decode('${chain}', 'hex')`,
    )
    expect(result).toMatchObject({ ok: false, firstBad: { commit: 6, problem: 'head_mismatch' } })
  })

  test('reads on to what another control plane wrote', async () => {
    const other = { ...plane.ports, ledger: new Ledger(plane.ports.log, plane.clock) }
    await other.ledger.catchUp()
    await api.keys.issue({ name: 'later' })
    expect(other.ledger.catalog.commit).toBe(6)
    expect(await adminApi(other).audit.verify()).toMatchObject({ ok: true, commits: 7 })
  })
})
