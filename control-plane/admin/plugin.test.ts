import { request } from 'node:http'
import { readdirSync, readFileSync } from 'node:fs'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN_TOKEN,
  listenAdmin,
  openAdminPlane,
  type AdminPlane,
  type Listener,
} from '#test/control-plane/admin-plane.ts'

let plane: AdminPlane
let listener: Listener
beforeAll(async () => {
  plane = await openAdminPlane()
  listener = await listenAdmin(plane.ports)
})
afterAll(async () => {
  await listener[Symbol.asyncDispose]()
  await plane[Symbol.asyncDispose]()
})

/** Everything that was ever answered, for the search for secrets at the end. */
const answers: string[] = []

type Answer = Readonly<{ status: number; headers: Headers; text: string; body: Body }>
type Body = Readonly<{
  result?: { data: Record<string, unknown> }
  error?: {
    message: string
    data: { code: string; issues: unknown; current: unknown; refusal: unknown; stack?: unknown }
  }
}>

async function call(
  path: string,
  init: RequestInit & Readonly<{ token?: string | null }> = {},
): Promise<Answer> {
  const { token = ADMIN_TOKEN, ...rest } = init
  const headers = new Headers(rest.headers)
  if (token !== null) headers.set('authorization', `Bearer ${token}`)
  if (rest.body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json')
  const response = await fetch(`${listener.url}/trpc/${path}`, { ...rest, headers })
  const text = await response.text()
  answers.push(`${text} ${JSON.stringify([...response.headers])}`)
  return { status: response.status, headers: response.headers, text, body: parse(text) }
}

const parse = (text: string): Body => {
  try {
    return Object.assign({}, JSON.parse(text))
  } catch {
    return {}
  }
}

const ask = (path: string, input?: unknown) =>
  call(input === undefined ? path : `${path}?input=${encodeURIComponent(JSON.stringify(input))}`)
const change = (path: string, input: unknown, token?: string | null) =>
  call(path, { method: 'POST', body: JSON.stringify(input), ...(token === undefined ? {} : { token }) })

const lastCall = async () => {
  await plane.ports.calls.flush()
  return (await plane.ports.calls.recent({ limit: 1 }))[0]
}

/** A request with exactly these headers, also ones that fetch would not send. */
function raw(headers: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${listener.url}/trpc/system.status`,
      { headers: [...headers], setHost: false },
      (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

const definition = { name: 'A', kind: 'openai', baseUrl: 'https://api.example/v1' }

describe('a caller', () => {
  test.each<[string, RequestInit & { token?: string | null }, string]>([
    ['without a credential', { token: null }, 'no bearer token'],
    ['with another token', { token: 'wrong' }, 'not the admin token'],
    ['with a token that begins like ours', { token: ADMIN_TOKEN.slice(0, -1) }, 'not the admin token'],
    ['with a token that goes on after ours', { token: `${ADMIN_TOKEN}x` }, 'not the admin token'],
    [
      'with the token in another scheme',
      { token: null, headers: { authorization: `Basic ${ADMIN_TOKEN}` } },
      'no bearer token',
    ],
    [
      'with the token in another header',
      { token: null, headers: { 'x-api-key': ADMIN_TOKEN } },
      'no bearer token',
    ],
  ])('%s is denied, and it is recorded', async (_what, init, why) => {
    const path = 'providers.list'
    const { status, headers, body } = await call(path, init)
    expect([status, body.error?.data.code, headers.get('www-authenticate')]).toEqual([
      401,
      'UNAUTHORIZED',
      'Bearer',
    ])
    expect(body.error?.message).toContain(why)
    expect(await lastCall()).toMatchObject({
      actor: 'unknown',
      procedure: path,
      outcome: 'denied',
      detail: expect.stringContaining(`${why}, from 127.0.0.1`),
    })
  })

  test('with two credentials is denied, though the first is right', async () => {
    const ours = ['authorization', `Bearer ${ADMIN_TOKEN}`]
    const host = ['host', '127.0.0.1']
    expect(await raw([...host, ...ours])).toBe(200)
    expect(await raw([...host, ...ours, 'Authorization', 'Bearer other'])).toBe(401)
    expect(await raw([...host, ...ours, ...ours])).toBe(401)
    expect(await lastCall()).toMatchObject({
      outcome: 'denied',
      detail: expect.stringContaining('more than one credential'),
    })
  })

  test('who is denied changes nothing', async () => {
    const before = plane.ports.ledger.catalog.commit
    expect((await change('keys.issue', { name: 'k' }, 'wrong')).status).toBe(401)
    expect((await change('keys.issue', { name: 'k' }, null)).status).toBe(401)
    expect(plane.ports.ledger.catalog.commit).toBe(before)
    expect(await lastCall()).toMatchObject({ procedure: 'keys.issue', outcome: 'denied' })
  })

  test('is compared in constant time: nothing else reads the token', () => {
    const folder = new URL('.', import.meta.url).pathname
    const lines = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
      .flatMap((path) => readFileSync(`${folder}${path}`, 'utf8').split('\n'))
      .filter((line) => line.includes('adminToken'))
      .map((line) => line.trim())
    expect(lines).toEqual([
      'adminToken: Secret',
      expect.stringMatching(/^export type AdminContext = Omit<AdminPorts, 'adminToken'/),
      // Taken out of what the procedures get.
      'const { adminToken: _, ...known } = ports',
      'const isSame = sameToken(given, ports.adminToken)',
    ])
  })
})

describe('an answer', () => {
  test('is kept by nobody', async () => {
    expect((await ask('system.status')).headers.get('cache-control')).toBe('no-store')
    expect((await ask('providers.get', { id: 'nobody' })).headers.get('cache-control')).toBe('no-store')
  })

  test('names the path of each problem, and no stack', async () => {
    const { status, body } = await change('providers.register', {
      id: 'x',
      definition: { ...definition, baseUrl: 'nowhere', probe: { intervalMs: 1 } },
      extra: 1,
    })
    expect(status).toBe(400)
    expect(body.error?.message).toBe(
      'definition.baseUrl: is not a URL; definition.probe.intervalMs: too small: expected number to be >=1000; extra: is not known',
    )
    expect(body.error?.data).toMatchObject({
      code: 'BAD_REQUEST',
      refusal: 'invalid',
      current: null,
      issues: [
        { path: 'definition.baseUrl', message: 'is not a URL' },
        { path: 'definition.probe.intervalMs', message: 'too small: expected number to be >=1000' },
        { path: 'extra', message: 'is not known' },
      ],
    })
    expect(body.error?.data.stack).toBeUndefined()
  })

  test('tells the version that stands in the way', async () => {
    await change('providers.register', { id: 'here', definition })
    const stale = await change('providers.disable', { id: 'here', expectedVersion: 7 })
    expect([stale.status, stale.body.error?.data]).toMatchObject([
      409,
      { code: 'CONFLICT', refusal: 'conflict', current: 1, issues: [] },
    ])
    const again = await change('providers.register', { id: 'here', definition })
    expect(again.body.error?.data).toMatchObject({ code: 'CONFLICT', refusal: 'exists', current: 1 })
  })

  test('tells of thousands of problems by the first hundred', async () => {
    const targets = Array.from({ length: 200 }, () => ({ provider: 'NOT', model: 'a b' }))
    const { body } = await change('models.create', { name: 'm', targets })
    expect(body.error?.data.issues).toHaveLength(100)
  })
})

describe('a request that is none', () => {
  test.each<[string, () => Promise<Answer>, number, Readonly<Record<string, unknown>>]>([
    [
      'for a procedure there is not',
      () => ask('providers.destroy'),
      404,
      { procedure: 'providers.destroy', outcome: 'refused', actor: 'token:admin' },
    ],
    [
      'for a property of every object',
      () => ask('constructor'),
      404,
      { procedure: 'constructor', outcome: 'refused' },
    ],
    [
      'to change by GET',
      () => ask('keys.issue', { name: 'k' }),
      405,
      { procedure: 'keys.issue', outcome: 'refused' },
    ],
    [
      'to ask by POST',
      () => change('providers.list', {}),
      405,
      { procedure: 'providers.list', outcome: 'refused' },
    ],
    [
      'for many at once',
      () => call('system.status,system.status?batch=1&input={}'),
      400,
      { outcome: 'denied' },
    ],
    [
      'with a broken body',
      () => call('keys.issue', { method: 'POST', body: '{"name": "sk-CANARY-broken' }),
      400,
      { procedure: 'keys.issue', outcome: 'refused', detail: 'the request is not valid JSON' },
    ],
    [
      'with a broken address',
      () => call('providers.get?input={"id":"sk-CANARY-broken'),
      400,
      { outcome: 'refused', detail: 'the request is not valid JSON' },
    ],
    [
      'with no body',
      () => call('keys.issue', { method: 'POST' }),
      415,
      { procedure: 'keys.issue', outcome: 'denied' },
    ],
  ])('%s is refused and recorded', async (_what, send, status, record) => {
    const before = plane.ports.ledger.catalog.commit
    const answer = await send()
    expect(answer.status).toBe(status)
    expect(answer.text).not.toContain('CANARY')
    expect(await lastCall()).toMatchObject(record)
    expect(plane.ports.ledger.catalog.commit).toBe(before)
  })

  test('with a body of another kind is turned away unread', async () => {
    for (const type of [
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/octet-stream',
      'application/x-www-form-urlencoded',
    ]) {
      const init = { method: 'POST', body: '{"name":"sk-CANARY"}', headers: { 'content-type': type } }
      expect((await call('keys.issue', init)).status).toBe(415)
    }
    expect(await lastCall()).toMatchObject({ procedure: 'keys.issue', outcome: 'denied', actor: 'unknown' })
  })

  test('with more than a mebibyte is turned away', async () => {
    expect((await change('keys.issue', { name: 'x'.repeat(1024 * 1024) })).status).toBe(413)
    expect(await lastCall()).toMatchObject({ procedure: 'keys.issue', outcome: 'denied', actor: 'unknown' })
  })
})

test('secrets are in no answer but the one that shows a new key, in no record, log or table', async () => {
  const secret = (name: string) => `sk-CANARY-${name}-0123456789`
  const shown: string[] = []
  const keep = ({ body }: Answer): Record<string, unknown> => {
    const data = body.result?.data ?? {}
    if (typeof data['key'] === 'string') shown.push(data['key'])
    return data
  }
  await change('providers.register', {
    id: 'canary',
    definition,
    credentials: [{ apiKey: secret('registered') }],
    commandId: '018f0000-0000-7000-8000-000000000001',
  })
  await change('providers.register', {
    id: 'canary',
    definition,
    credentials: [{ apiKey: secret('refused') }],
  })
  await change('providers.register', {
    id: 'canary',
    definition,
    credentials: [{ apiKey: secret('reused') }],
    commandId: '018f0000-0000-7000-8000-000000000001',
  })
  const added = keep(
    await change('providers.credentials.add', { id: 'canary', apiKey: secret('added'), expectedVersion: 2 }),
  )
  const { credential } = Object.assign({ credential: '' }, added['ids'])
  await change('providers.credentials.rotate', {
    id: 'canary',
    credentialId: credential,
    apiKey: secret('rotated'),
    expectedVersion: 3,
  })
  await change('providers.credentials.add', {
    id: 'canary',
    apiKey: `${secret('spaced')} with spaces`,
    expectedVersion: 4,
  })
  await change('providers.credentials.add', { id: 'canary', apiKey: [secret('listed')], expectedVersion: 4 })
  await change('providers.credentials.add', { id: 'canary', apiKey: secret('stale'), expectedVersion: 1 })
  await change('providers.credentials.add', {
    id: 'canary',
    apiKey: secret('dry'),
    expectedVersion: 4,
    dryRun: true,
  })
  const issued = keep(await change('keys.issue', { name: 'canary' }))
  const { key: keyId } = Object.assign({ key: '' }, issued['ids'])
  keep(await change('keys.rotate', { id: keyId, expectedVersion: 1 }))
  for (const path of [
    'providers.list',
    'models.list',
    'keys.list',
    'audit.list',
    'audit.calls',
    'audit.verify',
    'system.status',
    'fleet.list',
  ]) {
    expect((await ask(path)).status).toBe(200)
  }
  await ask('providers.get', { id: 'canary' })
  await ask('keys.get', { id: keyId })

  expect(shown).toHaveLength(2)
  for (const key of shown) expect(answers.filter((text) => text.includes(key))).toHaveLength(1)
  await plane.ports.calls.flush()
  const tables = ['cp_head', 'cp_commit', 'cp_event', 'cp_command', 'cp_secret', 'cp_node', 'cp_call']
  const dump = await Promise.all(
    tables.map((table) => sql`select * from ${sql.table(table)}`.execute(plane.database)),
  )
  const kept = JSON.stringify([answers, plane.logged, dump.map(({ rows }) => rows)])
  expect(kept).not.toContain('CANARY')
  expect(kept).not.toContain(ADMIN_TOKEN)
  const stored = JSON.stringify(dump.map(({ rows }) => rows))
  for (const key of shown) expect(stored).not.toContain(key.slice(12))
  // The search can find something: the vault holds one sealed text for each secret that was accepted.
  expect(dump[4]?.rows).toHaveLength(3)
  expect(stored).toContain(credential)
})

describe('with the database away', () => {
  beforeAll(() => plane.loseDatabase())

  test('changes fail in words that tell what to do, and nothing else', async () => {
    const before = plane.ports.calls.held
    const { status, text, body } = await change('keys.issue', { name: 'k' })
    expect([status, body.error?.data.code, body.error?.data.refusal]).toEqual([
      503,
      'SERVICE_UNAVAILABLE',
      null,
    ])
    expect(body.error?.message).toContain('send it again under the same commandId')
    expect(text).not.toMatch(/select|insert|cp_|pool|kysely|node_modules/i)
    expect(plane.logged.at(-1)).toContain('"procedure":"keys.issue"')
    expect(plane.ports.calls.held).toBe(before + 1)
  })

  test('what is in memory is still answered', async () => {
    expect((await ask('providers.get', { id: 'here' })).status).toBe(200)
    expect((await ask('models.resolve', { name: 'here/x' })).status).toBe(200)
  })

  test('questions to the database fail as such', async () => {
    for (const path of ['audit.list', 'audit.verify', 'audit.calls']) {
      const { status, body } = await ask(path)
      expect([path, status, body.error?.message]).toEqual([
        path,
        503,
        'the database does not answer now; try again',
      ])
    }
  })
})
