/**
 * Providers that tell the key they were given, in every way a provider has to fail; and one that answers.
 */
import { behaviours, errorBody, type Behaviour } from '../../fakes/behaviour.ts'
import { FakeProvider } from '../../fakes/provider.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import type { AdminCalls } from './admin.ts'
import type { Canaries } from './canaries.ts'
import type { Places } from './places.ts'

export const UPSTREAM = 'm'
/** Of all requests that arrived at providers. */
export const SENT = 'sent to providers'

const says = (status: number, key: string, code = 'invalid_request_error'): Behaviour => ({
  status,
  headers: { 'www-authenticate': `Bearer ${key}`, 'x-request-id': key, 'retry-after': key },
  body: errorBody(`Incorrect API key provided: ${key}`, code, code),
})
const EVENT_STREAM = { 'content-type': 'text/event-stream' }

/** By the name of the provider and of the model that only it has. */
const FAILING: Readonly<Record<string, (key: string) => Behaviour>> = {
  unauthorised: (key) => says(401, key, 'invalid_api_key'),
  forbidden: (key) => says(403, key),
  // As Google tells a wrong key.
  invalid: (key) => says(400, key),
  missing: (key) => says(404, key, 'model_not_found'),
  throttled: (key) => says(429, key, 'rate_limit_exceeded'),
  broken: (key) => says(500, key, 'server_error'),
  malformed: (key) => ({ body: `{"id":"${key}","choices":[{"mess` }),
  page: (key) => ({ ...behaviours.html, body: `<html>Authorization: Bearer ${key}` }),
  event: (key) => ({
    headers: EVENT_STREAM,
    body: [`data: ${errorBody(`bad key ${key}`, 'server_error')}\n\n`],
  }),
  cut: (key) => ({ cut: { at: 700 }, words: Array.from({ length: 40 }, () => `word ${key.slice(0, 4)}`) }),
}
export const FAILING_MODELS: readonly string[] = Object.keys(FAILING)

export type Providers = AsyncDisposable & Readonly<{ sent: () => void }>

export async function startProviders(
  cluster: Cluster,
  calls: AdminCalls,
  canaries: Canaries,
  places: Places,
): Promise<Providers> {
  await using stack = new AsyncDisposableStack()
  const started = new Map<string, FakeProvider>()
  const start = async (id: string, keys: readonly string[], models: readonly string[]) => {
    const provider = stack.use(await FakeProvider.start())
    started.set(id, provider)
    await calls.change('providers.register', {
      id,
      definition: {
        name: id,
        kind: 'openai',
        baseUrl: provider.baseUrl,
        allowPrivate: true,
        models: { static: models },
        probe: { intervalMs: 1_000 },
      },
      credentials: keys.map((apiKey, at) => ({ apiKey, label: `key ${at}` })),
    })
    return provider
  }
  const answering = [canaries.plant('provider key', 'answering'), canaries.plant('provider key', 'answering')]
  const answer = canaries.plant('answer', 'answering')
  ;(await start('answering', answering, [UPSTREAM])).byDefault({ words: ['I say ', answer, ' to that.'] })
  for (const [id, behave] of Object.entries(FAILING)) {
    const key = canaries.plant('provider key', id)
    ;(await start(id, [key], [id])).byDefault(behave(key))
  }
  // Its list is asked for, and refused.
  const listing = canaries.plant('provider key', 'listing')
  ;(await start('listing', [listing], [])).when({ path: '/models' }, says(401, listing))
  const targets = [...FAILING_MODELS, 'answering'].map((provider, tier) => ({
    provider,
    model: provider === 'answering' ? UPSTREAM : provider,
    tier,
  }))
  await calls.change('models.create', { name: 'mixed', targets })
  await cluster.served(calls.commitNo)
  const running = stack.move()
  return {
    sent: () => {
      for (const [id, { requests }] of started) {
        for (const { method, path, rawHeaders, body } of requests)
          places.add(SENT, id, `${method} ${path} ${rawHeaders.join(' ')} ${body.toString()}`)
      }
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
