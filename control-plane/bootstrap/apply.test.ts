import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger, type Logger } from '#contracts/process/logger.ts'
import { deriveKeys } from '#contracts/security/master-key.ts'
import { openSecret } from '#contracts/security/seal.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { Ledger } from '../commands/ledger.ts'
import { applyDeclaration, CannotOpen, openLog, type OpeningPorts } from './apply.ts'
import { readEnvironment } from './environment.ts'

let plane: AdminPlane
beforeAll(async () => {
  plane = await openAdminPlane()
})
afterAll(() => plane[Symbol.asyncDispose]())

/** One start of a control plane on the same database, with the environment of that day. */
async function start(
  env: Readonly<Record<string, string>>,
): Promise<Readonly<{ ledger: Ledger; warnings: string[] }>> {
  const warnings: string[] = []
  const logger: Logger = {
    ...silentLogger,
    warn: (fields, message) => void warnings.push(`${JSON.stringify(fields)} ${message}`),
  }
  const ledger = new Ledger(plane.ports.log, plane.clock)
  const ports: OpeningPorts = { database: plane.database, ledger, masterKey: plane.ports.masterKey, logger }
  await openLog(ports, false)
  const declaration = readEnvironment(env)
  if (!declaration.ok) throw new Error(declaration.error.join('\n'))
  await applyDeclaration(ports, declaration.value)
  return { ledger, warnings }
}

const TOKEN = 'client-token-0123456789'
const FULL = {
  OPENAI_API_KEY: 'sk-one',
  LLM_PROVIDERS: 'local',
  LLM_PROVIDER_LOCAL_BASE_URL: 'http://127.0.0.1:8000/v1',
  APIPROXY_AUTH_TOKEN: TOKEN,
}

// Day after day on one log.
describe('a control plane that starts', () => {
  test('makes one commit of all that is declared, by the environment, with sealed secrets', async () => {
    const before = plane.ports.ledger.catalog.commit
    const { ledger } = await start(FULL)
    expect(ledger.catalog.commit).toBe(before + 1)
    expect([...ledger.catalog.providers.keys()]).toEqual(['local', 'openai'])
    const [commit] = await plane.ports.log.read(before, 1)
    expect(commit?.meta.actor).toEqual({ kind: 'env', id: 'environment' })
    expect(JSON.stringify(commit)).not.toMatch(/sk-one|client-token/)
    const id = [...ledger.catalog.providers.values()].find((one) => one.id === 'openai')?.credentials[0]
      ?.secretId
    if (id === undefined) throw new Error('no credential')
    const sealed = (await plane.ports.log.secrets([id])).get(id) ?? ''
    expect(sealed).not.toContain('sk-one')
    const opened = openSecret(plane.ports.masterKey.vault, id, sealed)
    expect(opened.ok && opened.value.reveal()).toBe('sk-one')
  })

  test('writes nothing when it is started again with the same environment', async () => {
    const { commit } = (await start(FULL)).ledger.catalog
    for (let at = 0; at < 3; at++) expect((await start(FULL)).ledger.catalog.commit).toBe(commit)
  })

  test('exchanges a key that was changed, and retires what is gone', async () => {
    const { LLM_PROVIDERS: _, LLM_PROVIDER_LOCAL_BASE_URL: __, ...rest } = FULL
    const { ledger } = await start({ ...rest, OPENAI_API_KEY: 'sk-two' })
    const { commit } = ledger.catalog
    expect(
      [...ledger.catalog.providers.values()].map(({ id, credentials }) => [id, credentials.length]),
    ).toEqual([['openai', 1]])
    const [last] = await plane.ports.log.read(commit - 1, 1)
    expect(last?.wire.events.map(({ type }) => type)).toEqual([
      'CredentialAdded',
      'CredentialRevoked',
      'ProviderRemoved',
    ])
  })

  test('lets a key rest that is not declared any more, until it is', async () => {
    const states = ({ ledger }: Readonly<{ ledger: Ledger }>): readonly string[] =>
      [...ledger.catalog.keys.values()].map(({ state }) => state)
    expect(states(await start({}))).toEqual(['suspended'])
    expect(states(await start({ APIPROXY_AUTH_TOKEN: TOKEN }))).toEqual(['active'])
  })

  test('says so when a key that is declared was revoked, and writes nothing', async () => {
    const { ledger: first } = await start({ APIPROXY_AUTH_TOKEN: TOKEN })
    const key = [...first.catalog.keys.values()].find(({ origin }) => origin === 'declared')
    if (key === undefined) throw new Error('no key')
    await plane.ports.ledger.catchUp()
    await plane.api.keys.revoke({ id: key.id, expectedVersion: key.version })
    const { ledger, warnings } = await start({ APIPROXY_AUTH_TOKEN: TOKEN })
    expect([...ledger.catalog.keys.values()].map(({ state }) => state)).toEqual(['revoked'])
    expect(warnings.join('\n')).toMatch(/a declared key was revoked/)
    const { commit } = ledger.catalog
    expect((await start({ APIPROXY_AUTH_TOKEN: TOKEN })).ledger.catalog.commit).toBe(commit)
  })

  test('brings no text back that was rotated away, and says so', async () => {
    const text = 'client-token-of-old-0123456789'
    await start({ APIPROXY_AUTH_TOKEN: text })
    const { ledger } = plane.ports
    await ledger.catchUp()
    for (let times = 0; times < 2; times++) {
      const key = [...ledger.catalog.keys.values()].find(({ state }) => state === 'active')
      if (key === undefined) throw new Error('no key')
      await plane.api.keys.rotate({ id: key.id, expectedVersion: key.version })
    }
    const { commit } = ledger.catalog
    const again = await start({ APIPROXY_AUTH_TOKEN: text })
    expect(again.ledger.catalog.commit).toBe(commit)
    expect(again.warnings.join('\n')).toMatch(/the text of a declared key was rotated away/)
  })

  test('leaves a provider of the API alone, and says so', async () => {
    await plane.ports.ledger.catchUp()
    await plane.api.providers.register({
      id: 'openai',
      definition: { name: 'By hand', kind: 'openai', baseUrl: 'https://api.example.com/v1' },
    })
    const { ledger, warnings } = await start({ OPENAI_API_KEY: 'sk-three' })
    expect([...ledger.catalog.providers.values()].map(({ definition }) => definition.name)).toEqual([
      'By hand',
    ])
    expect(warnings.join('\n')).toMatch(/"provider":"openai".*made through the API/)
  })

  test('refuses to run with another master key', async () => {
    const ledger = new Ledger(plane.ports.log, plane.clock)
    const masterKey = deriveKeys(Buffer.alloc(32, 9))
    const ports: OpeningPorts = { database: plane.database, ledger, masterKey, logger: silentLogger }
    await expect(openLog(ports, false)).rejects.toThrow(CannotOpen)
  })
})
