/**
 * Embedded mode as a person meets it: `apiproxy start` in a folder of its own, what it prints, the line it
 * prints pasted into a shell, and the folder after it was stopped or killed.
 */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAdminClient } from '#control-plane/admin/client.ts'
import { eventually } from '../eventually.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { OwnedProcess } from '../processes/owned.ts'
import { freePort } from '../services/server.ts'

const BIN = new URL('../../bin/apiproxy.js', import.meta.url).pathname
/** Loads everything and makes a database: seconds, and many of them on a machine that is busy. */
const SLOW = 120_000

type Gateway = Readonly<{ process: OwnedProcess; text: string; curl: string; baseUrl: string }>

/** Not a variable of the surroundings reaches the gateway: a key of the developer's would make a provider. */
function surroundings(folder: string, more: Readonly<Record<string, string>>): Record<string, string> {
  const ports = ['PORT', 'OPS_PORT', 'ADMIN_PORT', 'PROBER_PORT', 'SIMULATED_PORT']
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    ...Object.fromEntries(ports.map((name) => [`APIPROXY_${name}`, '0'])),
    ...more,
  }
}

const spawn = (folder: string, more: Readonly<Record<string, string>> = {}): Promise<OwnedProcess> =>
  OwnedProcess.start(process.execPath, [BIN, 'start'], { cwd: folder, env: surroundings(folder, more) })

async function start(folder: string, more: Readonly<Record<string, string>> = {}): Promise<Gateway> {
  const child = await spawn(folder, more)
  const curl = await child.waitForLine(/^curl /, SLOW)
  const text = child.lines.join('\n')
  return { process: child, text, curl, baseUrl: /http:\/\/\S+\/v1/.exec(text)?.[0] ?? '' }
}

/** A `curl` that any shell finds before the machine's own, if it has one: it takes what the banner uses. */
const CURL = `curl() { "$NODE" -e '
  const [url, ...rest] = process.argv.slice(1)
  const headers = {}
  let body
  for (let at = 0; at < rest.length; at += 2) {
    if (rest[at] === "-H") { const [name, value] = rest[at + 1].split(": "); headers[name] = value }
    else if (rest[at] === "-d") body = rest[at + 1]
    else throw new Error("not understood: " + rest[at])
  }
  fetch(url, { method: body === undefined ? "GET" : "POST", headers, body })
    .then(async (answer) => console.log(JSON.stringify([answer.status, await answer.json()])))
' -- "$@"; }
`

/** Lets a shell read the line: what it is worth depends on every quote in it. */
async function paste(line: string): Promise<Readonly<[status: number, body: Record<string, unknown>]>> {
  await using shell = await OwnedProcess.start('/bin/sh', ['-c', `${CURL}${line}`], {
    env: { NODE: process.execPath },
  })
  await shell.exited
  return JSON.parse(shell.lines.join('\n')) as [number, Record<string, unknown>]
}

const said = (body: Record<string, unknown>): unknown =>
  (body['choices'] as readonly { message: { content: string } }[] | undefined)?.[0]?.message.content

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'apiproxy-first-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

// Each goes on where the one before it ended: a folder has one history.
describe('embedded mode', { timeout: SLOW }, () => {
  let key = ''

  test('prints its secrets once, and a line that works as pasted', async () => {
    const gateway = await start(folder)
    await using _ = gateway.process
    key = /sk-ap-[\w-]{43}/.exec(gateway.text)?.[0] ?? ''
    expect(gateway.text.split(key)).toHaveLength(3)
    expect(gateway.text.match(/ap-admin-[\w-]{43}/g)).toHaveLength(1)
    expect(gateway.text).toContain('No provider is configured, so a simulated one answers')

    const [status, body] = await paste(gateway.curl)
    expect(status).toBe(200)
    expect(said(body)).toBe('This is a simulated answer: no model was asked. You said: Hello!')

    // The secrets it keeps are the owner's alone, and the key is not among them.
    const kept = await readdir(join(folder, '.apiproxy'))
    expect(kept).toEqual(expect.arrayContaining(['admin-token', 'master-key', 'postgres']))
    for (const name of ['admin-token', 'master-key'])
      expect((await stat(join(folder, '.apiproxy', name))).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, '.apiproxy'))).mode & 0o777).toBe(0o700)

    // A second one on the same folder says who has it, opens nothing, and leaves the first in peace.
    await using second = await spawn(folder)
    expect(await second.exited).toEqual({ code: 64, signal: null })
    expect(second.lines.join('\n')).toBe(
      `apiproxy cannot start: another apiproxy (process ${gateway.process.pid}) uses the data folder .apiproxy; ` +
        'stop it, or set APIPROXY_DATA_DIR to another folder',
    )
    const openai = new OpenAI({ apiKey: key, baseURL: gateway.baseUrl, maxRetries: 0 })
    const messages = [{ role: 'user' as const, content: 'Are you there?' }]
    const answer = await openai.chat.completions.create({ model: 'simulated-chat', messages })
    expect(answer.choices[0]?.message.content).toMatch(/simulated answer.*Are you there\?$/)
    let streamed = ''
    const stream = await openai.chat.completions.create({ model: 'simulated-chat', messages, stream: true })
    for await (const part of stream) streamed += part.choices[0]?.delta.content ?? ''
    expect(streamed).toBe(answer.choices[0]?.message.content)
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['simulated-chat'])

    // All three are in the books.
    const token = /ap-admin-[\w-]{43}/.exec(gateway.text)?.[0] ?? ''
    const url = /admin {4}(http:\S+)/.exec(gateway.text)?.[1] ?? ''
    const admin = createAdminClient({ url, token, timeoutMs: SLOW })
    const summary = () => admin.usage.summary.query({ by: 'model' })
    await eventually(async () => (await summary()).rows[0]?.requests === 3, SLOW)
    expect((await summary()).rows).toMatchObject([{ name: 'simulated-chat', requests: 3, failed: 0 }])
    const { requests } = await admin.requests.list.query({})
    expect(requests.map((one) => [one.stream, one.endpoint, one.status])).toEqual([
      [true, 'chat', 200],
      [false, 'chat', 200],
      [false, 'chat', 200],
    ])

    expect(await gateway.process.stop('SIGINT', SLOW)).toEqual({ code: 0, signal: null })
  })

  test('prints no secret when it is started again, and the key still works; also after it was killed', async () => {
    const gateway = await start(folder)
    await using _ = gateway.process
    expect(gateway.text).not.toMatch(/sk-ap-|ap-admin-/)
    expect(gateway.curl).toContain('<your client key>')
    const line = gateway.curl.replace('<your client key>', key)
    expect((await paste(line))[0]).toBe(200)

    await gateway.process.stop('SIGKILL')
    const again = await start(folder)
    await using __ = again.process
    expect((await paste(again.curl.replace('<your client key>', key)))[0]).toBe(200)
    expect(again.text).not.toMatch(/sk-ap-|ap-admin-/)
    await again.process.stop('SIGTERM', SLOW)
  })

  test('finishes a stream under way when it is told to stop', async () => {
    const gateway = await start(folder)
    await using _ = gateway.process
    const openai = new OpenAI({ apiKey: key, baseURL: gateway.baseUrl, maxRetries: 0 })
    // The longest that is said again: for some 1.6 seconds, longer than anything else takes to end.
    const content = Array.from({ length: 100 }, () => 'a').join(' ')
    const messages = [{ role: 'user' as const, content }]
    const stream = await openai.chat.completions.create({ model: 'simulated-chat', messages, stream: true })
    let streamed = ''
    let stopped: Promise<unknown> | null = null
    for await (const part of stream) {
      streamed += part.choices[0]?.delta.content ?? ''
      stopped ??= gateway.process.stop('SIGTERM', SLOW)
    }
    expect(streamed).toBe(`This is a simulated answer: no model was asked. You said: ${content}`)
    expect(await stopped).toEqual({ code: 0, signal: null })
  })

  test('asks a provider of the environment under its key, and nothing is simulated any more', async () => {
    await using provider = await FakeProvider.start()
    const environment = { OPENAI_API_KEY: 'sk-upstream-secret', OPENAI_BASE_URL: provider.baseUrl }
    const gateway = await start(folder, environment)
    await using _ = gateway.process
    expect(gateway.text).not.toMatch(/simulated/i)
    const [status, body] = await paste(gateway.curl.replace('<your client key>', key))
    expect([status, said(body)]).toEqual([200, 'Hello from the fake provider.'])
    const asked = provider.requests.filter(({ path }) => path.endsWith('/chat/completions'))
    expect(asked.map(({ headers }) => headers.authorization)).toContain('Bearer sk-upstream-secret')
    await gateway.process.stop('SIGTERM', SLOW)
    // Neither the provider's secret nor the client's key is anywhere on the disk.
    const database = join(folder, '.apiproxy')
    for (const entry of await readdir(database, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const content = await readFile(join(entry.parentPath, entry.name), 'latin1')
      expect(content.includes('sk-upstream-secret') || content.includes(key), entry.name).toBe(false)
    }
  })

  test('tells every problem of its configuration at once, before a port is open', async () => {
    const port = await freePort()
    await using child = await spawn(folder, {
      APIPROXY_PORT: String(port),
      APIPROXY_BODY_LIMIT: 'much',
      APIPROXY_AUTH_TOKEN: 'short',
      LLM_PROVIDERS: 'a',
      LLM_PROVIDER_A_KIND: 'telepathy',
      LLM_PROVIDER_A_WEIGTH: '2',
    })
    expect(await child.exited).toEqual({ code: 64, signal: null })
    const text = child.lines.join('\n')
    for (const name of [
      'APIPROXY_BODY_LIMIT',
      'APIPROXY_AUTH_TOKEN',
      'LLM_PROVIDER_A_KIND',
      'LLM_PROVIDER_A_WEIGTH',
      'LLM_PROVIDER_A_BASE_URL',
    ])
      expect(text).toContain(`  ${name}: `)
    expect(text).not.toContain('telepathy')
  })

  test('says which port is taken, and how to choose another', async () => {
    await using provider = await FakeProvider.start()
    await using child = await spawn(folder, { APIPROXY_ADMIN_PORT: String(provider.port) })
    expect(await child.exited).toEqual({ code: 64, signal: null })
    expect(child.lines.join('\n')).toMatch(
      new RegExp(`port ${provider.port} is in use[^]*APIPROXY_ADMIN_PORT`),
    )
  })
})
