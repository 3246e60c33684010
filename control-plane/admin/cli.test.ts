import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN_TOKEN,
  listenAdmin,
  openAdminPlane,
  type AdminPlane,
  type Listener,
} from '#test/control-plane/admin-plane.ts'
import { runCommand, type Ran } from '#test/control-plane/command-line.ts'

const BIN = new URL('../../bin/apiproxy.js', import.meta.url).pathname

let plane: AdminPlane
let listener: Listener
let folder: string
beforeAll(async () => {
  plane = await openAdminPlane()
  listener = await listenAdmin(plane.ports)
  folder = await mkdtemp(join(tmpdir(), 'apiproxy-cli-'))
})
afterAll(async () => {
  await listener[Symbol.asyncDispose]()
  await plane[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** The command as a person runs it: a process of its own. */
function apiproxy(
  args: readonly string[],
  more: Readonly<{ env?: NodeJS.ProcessEnv; stdin?: string }> = {},
): Promise<Ran> {
  const env = {
    PATH: process.env['PATH'],
    APIPROXY_ADMIN_URL: listener.url,
    APIPROXY_ADMIN_TOKEN: ADMIN_TOKEN,
    ...more.env,
  }
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [BIN, ...args],
      { env, cwd: folder, timeout: 25_000 },
      (error, out, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ status, out, error: stderr })
      },
    )
    child.stdin?.end(more.stdin ?? '')
  })
}

/** The same without a process, for what does not need one. */
const run = (...args: readonly string[]): Promise<Ran> =>
  runCommand(listener.url, args, {
    readInput: () => Promise.resolve('{"name":"from standard input"}'),
  })

const register = (id: string) => [
  'providers',
  'register',
  '--id',
  id,
  '--definition.name',
  'A',
  '--definition.kind',
  'openai',
  '--definition.base-url',
  'https://api.example/v1',
]

describe('the command line, as a process', () => {
  test('registers, shows, changes and verifies', async () => {
    const made = await apiproxy([
      ...register('openai'),
      '--definition.timeouts.connect-ms',
      '1234',
      '--reason',
      'first one',
    ])
    expect(made).toMatchObject({ status: 0, error: '' })
    expect(made.out).toMatch(
      /^commitNo: 2\nevents: ProviderRegistered\nversion: 1\nids.provider: openai\nreplayed: false\ncommandId: [0-9a-f-]{36}\ndryRun: false\n$/,
    )

    const listed = await apiproxy(['providers', 'list'])
    expect(listed.out).toContain(
      'id      state    kind    baseUrl                 weight  credentials  version  origin\n',
    )
    expect(listed.out).toContain(
      'openai  enabled  openai  https://api.example/v1  1       -            1        api\n',
    )

    await writeFile(join(folder, 'key'), 'sk-from-a-file\n')
    const added = await apiproxy([
      'providers',
      'credentials',
      'add',
      '--id',
      'openai',
      '--expected-version',
      '1',
      '--api-key',
      '@key',
      '--json',
    ])
    expect(JSON.parse(added.out)).toMatchObject({ events: ['CredentialAdded'], version: 2 })

    const verified = await apiproxy(['audit', 'verify'])
    expect(verified).toMatchObject({
      status: 0,
      error: '',
      out: expect.stringMatching(/^commits: 3\nok: true\nchain: [0-9a-f]{64}\ncheckpoints: 0\nforged: 0\n$/),
    })
  })

  test('finds the token of an embedded gateway in its folder', async () => {
    await writeFile(join(folder, 'admin-token'), `${ADMIN_TOKEN}\n`)
    const env = { APIPROXY_ADMIN_TOKEN: '', APIPROXY_DATA_DIR: folder }
    expect(await apiproxy(['system', 'status', '--json'], { env })).toMatchObject({
      status: 0,
      out: expect.stringContaining('"epoch": 1'),
    })
    const nowhere = await apiproxy(['system', 'status'], { env: { APIPROXY_ADMIN_TOKEN: '' } })
    expect([nowhere.status, nowhere.error]).toEqual([
      64,
      'no admin token: set APIPROXY_ADMIN_TOKEN, or run where .apiproxy/admin-token is\n',
    ])
  })

  test('finds the token in the file that the environment names, as it is beside a control plane', async () => {
    const path = join(folder, 'mounted-token')
    await writeFile(path, `${ADMIN_TOKEN}\n`)
    const env = { APIPROXY_ADMIN_TOKEN: '', APIPROXY_ADMIN_TOKEN_FILE: path, DATABASE_URL_FILE: '/not/mine' }
    expect(await apiproxy(['system', 'status'], { env })).toMatchObject({ status: 0, error: '' })
    const missing = await apiproxy(['system', 'status'], {
      env: { ...env, APIPROXY_ADMIN_TOKEN_FILE: '/nowhere' },
    })
    expect([missing.status, missing.error]).toEqual([
      64,
      expect.stringContaining('APIPROXY_ADMIN_TOKEN_FILE'),
    ])
  })

  test('reads a secret or a whole input from standard input', async () => {
    const input = {
      id: 'piped',
      definition: { name: 'P', kind: 'gemini', baseUrl: 'https://p.example' },
      credentials: [{ apiKey: 'sk-piped' }],
    }
    expect(
      await apiproxy(['providers', 'register', '--input', '-'], { stdin: JSON.stringify(input) }),
    ).toMatchObject({ status: 0, error: '' })
    const rotate = [
      'providers',
      'credentials',
      'rotate',
      '--id',
      'piped',
      '--expected-version',
      '2',
      '--api-key',
      '-',
      '--json',
    ]
    const [credential] = (await plane.api.providers.get({ id: 'piped' })).provider.credentials
    expect(
      await apiproxy([...rotate, '--credential-id', credential?.id ?? ''], { stdin: 'sk-other' }),
    ).toMatchObject({ status: 0 })
    const [rotated] = (await plane.api.providers.get({ id: 'piped' })).provider.credentials
    expect(rotated?.fingerprint).not.toBe(credential?.fingerprint)
  })

  test('says its version and what a process takes', async () => {
    expect(await apiproxy(['--version'])).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^apiproxy \d+\.\d+\.\d+\n$/),
    })
    expect(await apiproxy(['start', '--port', '1'])).toEqual({
      status: 64,
      out: '',
      error: 'apiproxy start takes no arguments: it is configured by its environment\n',
    })
  })
})

describe('the command line', () => {
  test('helps, without a control plane', async () => {
    const { status, out } = await run()
    expect(status).toBe(0)
    for (const text of ['apiproxy start', 'providers', 'audit', '--input <json>', 'Exit status'])
      expect(out).toContain(text)
    const help = await run('models', 'set-weights', '--help')
    expect(help.status).toBe(0)
    expect(help.out).toContain('New weights of targets a model has; the others keep theirs.')
    expect(help.out.replaceAll(/\s+/g, ' ')).toContain('As JSON: {"provider", "model", "weight"}.')
  })

  test.each<[string, readonly string[], string]>([
    ['a command there is not', ['providers', 'explode'], "unknown command 'explode'\n"],
    ['an option there is not', ['providers', 'list', '--colour'], "unknown option '--colour'\n"],
    ['an option without its value', ['providers', 'list', '--url'], '--url wants a value\n'],
    ['an address that is none', ['providers', 'list', '--url', 'localhost'], 'localhost is not a URL\n'],
    ['input that is not JSON', ['keys', 'issue', '--input', '{"name": "sk-hidden"'], '--input is not JSON\n'],
    ['input that is no object', ['keys', 'issue', '--input', '[]'], '--input is not a JSON object\n'],
    ['a file that is not there', ['keys', 'issue', '--input', '@missing.json'], 'cannot read missing.json\n'],
    ['a number that is none', ['fleet', 'wait', '--commit-no', 'many'], 'commitNo: wants a number\n'],
    ['an option of a command without its value', ['providers', 'get', '--id'], 'id: wants a value\n'],
    ['a noun there is not', ['proviers'], "unknown command 'proviers'\n(Did you mean providers?)\n"],
  ])('does not understand %s', async (_what, args, error) => {
    expect(await run(...args)).toEqual({ status: 64, out: '', error })
  })

  test('shows what a noun can do when asked no more', async () => {
    const { status, error } = await run('providers', 'credentials')
    expect(status).toBe(64)
    expect(error).toContain('Usage: apiproxy providers credentials')
    expect(error).toContain('Put a new secret in the place of an old one.')
  })

  test('tells every problem of an input, one a line', async () => {
    const args = [
      'providers',
      'register',
      '--id',
      'X',
      '--definition.base-url',
      'nowhere',
      '--definition.timeouts.connect-ms',
      '1.5',
    ]
    expect(await run(...args)).toEqual({
      status: 64,
      out: '',
      error: [
        'id: must be 1-63 of a-z, 0-9, - and _, starting with a letter or digit',
        'definition.name: is missing',
        'definition.kind: expected one of "openai"|"anthropic"|"gemini"',
        'definition.baseUrl: is not a URL',
        'definition.timeouts.connectMs: expected int, received number',
        '',
      ].join('\n'),
    })
  })

  test('tells what only the control plane can know', async () => {
    await run(...register('known'))
    expect(await run('providers', 'disable', '--id', 'known', '--expected-version', '4')).toEqual({
      status: 1,
      out: '',
      error: 'provider known is at version 1, not 4: look again, then repeat the change\n',
    })
    expect(
      await run('models', 'create', '--name', 'm', '--targets', '{"provider":"nobody","model":"x"}'),
    ).toEqual({
      status: 64,
      out: '',
      error: 'targets[0].provider: no provider nobody\n',
    })
  })

  test('takes lists, numbers, switches and null as options', async () => {
    await run(...register('many'), '--definition.models.static', 'a', 'b')
    const targets = [
      '--targets',
      '{"provider":"many","model":"a","weight":2}',
      '{"provider":"many","model":"b","tier":1}',
    ]
    expect(
      await run('models', 'create', '--name', 'mine', ...targets, '--aliases', 'my', 'own'),
    ).toMatchObject({ status: 0 })
    expect((await run('models', 'list')).out).toContain('mine  my, own  many/a ×2, many/b ×1 tier 1')
    const update = ['providers', 'update', '--id', 'many']
    await run(
      ...update,
      '--expected-version',
      '1',
      '--definition.routing.region',
      'eu',
      '--definition.routing.max-qps',
      '5',
      '--definition.probe.enabled',
      'false',
    )
    await run(
      ...update,
      '--expected-version',
      '4',
      '--definition.routing.max-qps',
      'null',
      '--definition.routing.region',
      'null',
      '--dry-run',
    )
    const get = async () => (await plane.api.providers.get({ id: 'many' })).provider
    expect(await get()).toMatchObject({
      version: 3,
      definition: { routing: { region: 'eu', maxQps: 5 }, probe: { enabled: false } },
    })
    expect(
      await run(...update, '--expected-version', '3', '--definition.routing.region', 'null'),
    ).toMatchObject({ status: 0 })
    expect((await get()).definition.routing).toEqual({ weight: 1, maxQps: 5 })
    expect(
      await run(...update, '--expected-version', '4', '--definition.routing.max-qps', 'lots'),
    ).toMatchObject({ status: 64 })
    expect((await get()).definition.routing.maxQps).toBe(5)
  })

  test('shows a new key once, and the same change again without it', async () => {
    const args = [
      'keys',
      'issue',
      '--name',
      'laptop',
      '--command-id',
      '018f0000-0000-7000-8000-0000000000ff',
      '--json',
    ]
    expect(JSON.parse((await run(...args)).out)).toMatchObject({
      key: expect.stringMatching(/^sk-ap-/),
      replayed: false,
    })
    expect(JSON.parse((await run(...args)).out)).toMatchObject({ key: null, replayed: true })
  })

  test('says how to repeat a change whose answer did not come', async () => {
    const { status, error } = await run('keys', 'issue', '--name', 'k', '--url', 'http://127.0.0.1:1')
    expect(status).toBe(1)
    expect(error).toMatch(
      /^to repeat this change safely, add: --command-id [0-9a-f-]{36}\nthe control plane cannot be asked: /,
    )
  })

  test('fails when a wait was in vain', async () => {
    plane.ports.fleet.onReport({
      v: 1,
      node: 'slow',
      boot: 'b',
      build: 't',
      foldVersion: 1,
      epoch: 1,
      received: 1,
      applied: 1,
      persisted: 1,
      served: 1,
      digest: plane.ports.ledger.digestAt(1) ?? '',
      link: 'bus',
      nacks: [],
      accepting: true,
    })
    const { status, out } = await run('fleet', 'wait', '--commit-no', '2', '--timeout-ms', '0')
    expect(status).toBe(1)
    expect(out).toContain('served: false')
    expect(out).toMatch(/slow +LAGGING +1 /)
  })

  test('reads an input from standard input without a process too', async () => {
    expect(await run('keys', 'issue', '--input', '-', '--json')).toMatchObject({ status: 0 })
  })
})
