import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'

let plane: AdminPlane
let api: AdminPlane['api']
beforeAll(async () => {
  plane = await openAdminPlane()
  api = plane.api
})
afterAll(() => plane[Symbol.asyncDispose]())

const head = () => plane.ports.ledger.catalog.commit
let made = 0
const fresh = (kind: string) => `${kind}-${(made += 1)}`
const definition = { name: 'A', kind: 'openai', baseUrl: 'https://api.example/v1' } as const

async function newProvider(more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const id = fresh('provider')
  await api.providers.register({ id, definition: { ...definition, ...more } })
  return id
}

/** Code, message and number of commits made by a call that must not succeed. */
async function refusal(
  call: () => Promise<unknown>,
): Promise<Readonly<{ code: unknown; message: unknown; wrote: number }>> {
  const before = head()
  const error = await call().then(
    () => new Error('it was accepted'),
    (thrown: unknown) => thrown,
  )
  const { code, message } = Object.assign({ code: 'none', message: '' }, error)
  return { code, message: error instanceof Error ? error.message : message, wrote: head() - before }
}

describe('a refusal', () => {
  let id: string
  let key: string
  let model: string
  let credential: string
  beforeAll(async () => {
    id = await newProvider()
    const added = await api.providers.credentials.add({
      id,
      expectedVersion: 1,
      apiKey: 'sk-x',
      label: 'main',
    })
    credential = added.ids['credential'] ?? ''
    model = fresh('model')
    await api.models.create({
      name: model,
      targets: [{ provider: id, model: 'm' }],
      aliases: [`${model}-alias`],
    })
    key = (await api.keys.issue({ name: 'k' })).ids['key'] ?? ''
    await api.keys.revoke({ id: key, expectedVersion: 1 })
  })

  const version = 2
  test.each<[string, () => Promise<unknown>, string, string]>([
    [
      'a provider that is not there',
      () => api.providers.get({ id: 'nobody' }),
      'NOT_FOUND',
      'provider nobody does not exist',
    ],
    [
      'changing one that is not there',
      () => api.providers.enable({ id: 'nobody', expectedVersion: 1 }),
      'NOT_FOUND',
      'nobody',
    ],
    [
      'patching one that is not there',
      () => api.providers.update({ id: 'nobody', expectedVersion: 1, definition: {} }),
      'NOT_FOUND',
      'nobody',
    ],
    [
      'a provider that exists',
      () => api.providers.register({ id, definition }),
      'CONFLICT',
      'exists already, at version 2',
    ],
    [
      'an old version',
      () => api.providers.disable({ id, expectedVersion: 1 }),
      'CONFLICT',
      'is at version 2, not 1',
    ],
    [
      'an old version of a patch',
      () => api.providers.update({ id, expectedVersion: 1, definition: { name: 'Z' } }),
      'CONFLICT',
      'is at version 2, not 1',
    ],
    [
      'a version from the future',
      () => api.providers.update({ id, expectedVersion: 9, definition: { name: 'Z' } }),
      'CONFLICT',
      'is at version 2, not 9',
    ],
    [
      'a provider a model names',
      () => api.providers.remove({ id, expectedVersion: version }),
      'PRECONDITION_FAILED',
      'is used by model model-',
    ],
    [
      'a private address',
      () =>
        api.providers.register({
          id: 'local',
          definition: { ...definition, baseUrl: 'http://127.0.0.1/v1' },
        }),
      'BAD_REQUEST',
      'definition.baseUrl: is a loopback',
    ],
    [
      'a private address in a patch',
      () => api.providers.update({ id, expectedVersion: version, definition: { baseUrl: 'http://[::1]/' } }),
      'BAD_REQUEST',
      'definition.baseUrl: is a loopback',
    ],
    [
      'a credential that is not there',
      () => api.providers.credentials.revoke({ id, credentialId: 'cred_no', expectedVersion: version }),
      'NOT_FOUND',
      'credential cred_no',
    ],
    [
      'rotating one that is not there',
      () =>
        api.providers.credentials.rotate({
          id,
          credentialId: 'cred_no',
          apiKey: 'sk',
          expectedVersion: version,
        }),
      'NOT_FOUND',
      'credential cred_no',
    ],
    [
      'a secret no header can carry',
      () => api.providers.credentials.add({ id, apiKey: 'sk\r\nx: y', expectedVersion: version }),
      'BAD_REQUEST',
      'apiKey: must be 1-4096 printable',
    ],
    ['a model that is not there', () => api.models.get({ name: 'no-model' }), 'NOT_FOUND', 'model no-model'],
    [
      'a target of no provider',
      () => api.models.create({ name: 'x', targets: [{ provider: 'nobody', model: 'm' }] }),
      'BAD_REQUEST',
      'targets[0].provider: no provider nobody',
    ],
    [
      'an alias that is taken',
      () =>
        api.models.create({
          name: 'x',
          targets: [{ provider: id, model: 'm' }],
          aliases: [`${model}-alias`],
        }),
      'BAD_REQUEST',
      'aliases[0]: belongs to model',
    ],
    [
      'weights of a target it does not have',
      () =>
        api.models.setWeights({
          name: model,
          expectedVersion: 1,
          weights: [{ provider: id, model: 'other', weight: 1 }],
        }),
      'BAD_REQUEST',
      'weights[0]: names a target',
    ],
    [
      'an old version of a model',
      () => api.models.retire({ name: model, expectedVersion: 7 }),
      'CONFLICT',
      'is at version 1, not 7',
    ],
    ['a key that is not there', () => api.keys.get({ id: 'key_no' }), 'NOT_FOUND', 'key key_no'],
    [
      'a key that was revoked',
      () => api.keys.resume({ id: key, expectedVersion: 2 }),
      'BAD_REQUEST',
      'revoked, which is final',
    ],
    [
      'another epoch',
      () => api.system.advanceEpoch({ expectedEpoch: 3 }),
      'CONFLICT',
      'is at version 1, not 3',
    ],
    [
      'a text that cannot be stored',
      () => api.keys.issue({ name: 'nul \u0000' }),
      'BAD_REQUEST',
      'name: cannot be stored',
    ],
    [
      'a reason that cannot be stored',
      () => api.keys.issue({ name: 'ok', reason: 'half \ud800' }),
      'BAD_REQUEST',
      'reason: cannot be stored',
    ],
    [
      'a command id that is none',
      () => api.keys.issue({ name: 'ok', commandId: 'again' }),
      'BAD_REQUEST',
      'commandId: ',
    ],
    [
      'a commit of the future',
      () => api.providers.list({ atLeastCommit: 1_000_000 }),
      'BAD_REQUEST',
      'atLeastCommit: the log ends at commit',
    ],
    [
      'waiting for a commit of the future',
      () => api.fleet.wait({ commitNo: 1_000_000 }),
      'BAD_REQUEST',
      'commitNo: the log ends',
    ],
    [
      'waiting longer than a minute',
      () => api.fleet.wait({ commitNo: 1, timeoutMs: 60_001 }),
      'BAD_REQUEST',
      'timeoutMs: ',
    ],
    ['more than a page', () => api.audit.list({ limit: 201 }), 'BAD_REQUEST', 'limit: '],
  ])('meets %s', async (_what, call, code, message) => {
    expect(await refusal(call)).toEqual({ code, message: expect.stringContaining(message), wrote: 0 })
  })

  test('names each problem of a definition by its path', async () => {
    const input: object = {
      id: 'Not A Slug',
      definition: {
        name: '',
        kind: 'azure',
        baseUrl: 'nowhere',
        timeouts: { connectMs: 1.5, patience: 3 },
        models: { static: ['ok', 'not ok'] },
      },
      credentials: [{ label: 'no key' }],
      colour: 'red',
    }
    const { message } = await refusal(() => Reflect.apply(api.providers.register, undefined, [input]))
    expect(String(message).split('; ')).toEqual([
      'id: must be 1-63 of a-z, 0-9, - and _, starting with a letter or digit',
      'definition.name: too small: expected string to have >=1 characters',
      'definition.kind: expected one of "openai"|"anthropic"|"gemini"',
      'definition.baseUrl: is not a URL',
      'definition.timeouts.connectMs: expected int, received number',
      'definition.timeouts.patience: is not known',
      'definition.models.static[1]: must be 1-200 characters without spaces or quotes',
      'credentials[0].apiKey: is missing',
      'colour: is not known',
    ])
  })

  test('leaves a record that says why, as a success does', async () => {
    await refusal(() => api.providers.get({ id: 'nobody' }))
    const { commitNo, commandId } = await api.keys.suspend({
      id: (await api.keys.issue({ name: 'r' })).ids['key'] ?? '',
      expectedVersion: 1,
    })
    const { calls } = await api.audit.calls({ limit: 3 })
    expect(calls.map(({ procedure: path, outcome, detail }) => [path, outcome, detail])).toEqual([
      ['keys.suspend', 'ok', `commit ${commitNo}, command ${commandId}: ClientKeySuspended`],
      ['keys.issue', 'ok', expect.stringContaining('ClientKeyIssued')],
      ['providers.get', 'refused', 'provider nobody does not exist'],
    ])
  })

  test('of one credential does not tell of its secret', async () => {
    const { provider } = await api.providers.get({ id })
    expect(provider.credentials).toEqual([
      { id: credential, label: 'main', weight: 1, fingerprint: expect.stringMatching(/^[\w-]{16}$/) },
    ])
  })
})
