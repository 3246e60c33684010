/**
 * An admin who does everything there is to do; each answer is kept as it came, also those that refuse.
 */
import { randomUUID } from 'node:crypto'
import { adminCommands } from '#control-plane/admin/cli/commands.ts'
import type { Canaries } from './canaries.ts'
import type { Places } from './places.ts'

export const ADMIN_ANSWERS = 'answers of the admin API'

type Changed = Readonly<{
  commitNo: number
  version: number
  ids: Readonly<Record<string, string>>
  key?: string
}>

export class AdminCalls {
  readonly #url: string
  readonly #token: string
  readonly #places: Places
  #commitNo = 0

  constructor(url: string, token: string, places: Places) {
    this.#url = url
    this.#token = token
    this.#places = places
  }

  /** Of the last change. */
  get commitNo(): number {
    return this.#commitNo
  }

  /** @param body as it goes over the wire. @returns the status and the answer. */
  async send(
    method: 'GET' | 'POST',
    path: string,
    body: string,
    token = this.#token,
    name = path,
  ): Promise<Readonly<{ status: number; text: string }>> {
    const isRead = method === 'GET'
    const query = isRead && body !== '' ? `?input=${encodeURIComponent(body)}` : ''
    const answer = await fetch(`${this.#url}/trpc/${path}${query}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(isRead ? {} : { body }),
    })
    const text = await answer.text()
    const headers = [...answer.headers].flat().join(' ')
    this.#places.add(ADMIN_ANSWERS, name, `${answer.status} ${headers} ${text}`)
    return { status: answer.status, text }
  }

  async change(path: string, input: object, name = path): Promise<Changed> {
    const body = JSON.stringify({ commandId: randomUUID(), ...input })
    const { status, text } = await this.send('POST', path, body, this.#token, name)
    if (status !== 200) throw new Error(`${path} answers ${status}: ${text}`)
    const { result } = JSON.parse(text) as { result: { data: Changed } }
    this.#commitNo = result.data.commitNo
    return result.data
  }

  async read<Data>(path: string, input: object = {}): Promise<Data> {
    const { status, text } = await this.send('GET', path, JSON.stringify(input))
    if (status !== 200) throw new Error(`${path} answers ${status}: ${text}`)
    return (JSON.parse(text) as { result: { data: Data } }).result.data
  }
}

type About = Readonly<{ requestId: string; loggedId: string; keyId: string }>

/** What a question is asked with; those that are not named are asked with nothing. */
const inputs = ({ requestId, loggedId, keyId }: About, commit: number): Readonly<Record<string, object>> => ({
  'providers.get': { id: 'answering' },
  'providers.models': { id: 'listing' },
  'models.get': { name: 'mixed' },
  'models.resolve': { name: 'mixed' },
  'keys.get': { id: keyId },
  'budgets.get': { id: 'canary' },
  'fleet.wait': { commitNo: commit },
  'fleet.watch': { changes: 1 },
  'weights.why': { provider: 'answering', model: 'm' },
  'audit.diff': { from: 0, to: commit },
  'audit.list': { limit: 200 },
  'audit.calls': { limit: 200 },
  'requests.list': { limit: 200 },
  'requests.get': { id: requestId },
  'requests.explain': { id: requestId },
  'requests.content': { id: loggedId },
})

/** Asks every question there is. @returns those that were not answered. */
export async function askEverything(calls: AdminCalls, about: About): Promise<readonly string[]> {
  const given = inputs(about, calls.commitNo)
  const problems: string[] = []
  for (const { path, isChange } of adminCommands()) {
    if (isChange) continue
    const { status, text } = await calls.send('GET', path, JSON.stringify(given[path] ?? {}))
    if (status !== 200) problems.push(`${path} answers ${status}: ${text.slice(0, 200)}`)
  }
  for (const by of ['tag', 'model', 'provider', 'day']) await calls.read('usage.summary', { by })
  return problems
}

/** Calls that are refused, each with a secret in it that its answer must not repeat. */
export async function askWrongly(calls: AdminCalls, canaries: Canaries): Promise<void> {
  const definition = { name: 'x', kind: 'openai', baseUrl: 'http://127.0.0.1:1/v1' }
  const key = (where: string): string => canaries.plant('provider key', where)
  const post = (path: string, body: string, token?: string) => calls.send('POST', path, body, token)
  const invalid = { id: 'x', definition, credentials: [{ apiKey: `${key('a refused key')} ä` }] }
  await post('providers.register', JSON.stringify(invalid))
  await post('providers.register', JSON.stringify({ ...invalid, apiKey: key('an unknown member') }))
  await post('providers.register', `{"credentials":[{"apiKey":"${key('malformed JSON')}"`)
  const stale = { id: 'answering', apiKey: key('a stale version'), expectedVersion: 999 }
  await post('providers.credentials.add', JSON.stringify(stale))
  await post('providers.credentials.rotate', JSON.stringify({ ...stale, credentialId: 'cred_none' }))
  await post('config.plan', JSON.stringify({ yaml: `providers: { a: { apiKey: "${key('a file')}", x: 1 }` }))
  const file = `providers: { a: { baseUrl: "http://127.0.0.1:1/v1", apiKey: "${key('a planned file')}" } }`
  await post('config.plan', JSON.stringify({ yaml: file }))
  const variables = `NAME=${key('a variable')}`
  await post('config.plan', JSON.stringify({ yaml: 'providers: { a: { apiKey: "${OTHER}" } }', variables }))
  const wrong = canaries.plant('admin token', 'a wrong token')
  await post('providers.register', JSON.stringify(invalid), wrong)
  await calls.send('GET', 'keys.list', '', wrong)
}
