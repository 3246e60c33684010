/**
 * Clients of every dialect, who say secrets in their prompts and are answered, failed and refused.
 */
import type { ClusterNode } from '../../cluster/cluster.ts'
import type { Canaries } from './canaries.ts'
import type { Places } from './places.ts'
import { FAILING_MODELS, UPSTREAM } from './providers.ts'

export const CLIENT_ANSWERS = 'answers to clients'
/** Told to whoever said it. */
export const SESSIONS = 'sessions, to their owner'
/** One a model: a session keeps its newest turns alone. */
const sessionOf = (model: string): string => `canary-${model}`

const promptTo = (model: string): string => `to ${model}`
export const TO_ANSWERING = promptTo(UPSTREAM)

type Asked = Readonly<{ path: string; body: object; stream: boolean }>
type Answer = Readonly<{ id: string; status: number; text: string }>

/** Every way to ask. */
function waysToAsk(model: string, prompt: string): readonly Asked[] {
  const messages = [{ role: 'user', content: `I tell you ${prompt}, and you?` }]
  const contents = [{ role: 'user', parts: [{ text: prompt }] }]
  const gemini = `/v1beta/models/${model}:`
  return [false, true].flatMap((stream) => [
    { path: '/v1/chat/completions', body: { model, stream, messages }, stream },
    { path: '/v1/responses', body: { model, stream, input: prompt, instructions: prompt }, stream },
    { path: '/v1/messages', body: { model, stream, system: prompt, messages, max_tokens: 9 }, stream },
    {
      path: stream ? `${gemini}streamGenerateContent?alt=sse` : `${gemini}generateContent`,
      body: { contents },
      stream,
    },
  ])
}

export class Clients {
  readonly #places: Places
  readonly #canaries: Canaries
  /** What is said to each model, by all clients. */
  readonly #prompts = new Map<string, string>()
  /** Ids of requests that were answered. */
  readonly ids: string[] = []
  asked = 0

  constructor(places: Places, canaries: Canaries) {
    this.#places = places
    this.#canaries = canaries
  }

  /** What goes well, and what fails at providers. @returns what did not go as it must. */
  async ask({ url }: ClusterNode, key: string): Promise<readonly string[]> {
    const problems: string[] = []
    for (const model of [UPSTREAM, 'mixed', ...FAILING_MODELS]) {
      const prompt = this.#prompts.get(model) ?? this.#canaries.plant('prompt', promptTo(model))
      this.#prompts.set(model, prompt)
      for (const { path, body } of waysToAsk(model, prompt)) {
        const { id, status } = await this.#send(url, path, JSON.stringify(body), {
          ...bearer(key),
          'x-session-id': sessionOf(model),
        })
        if (status === 200) this.ids.push(id)
        else if (model === UPSTREAM) problems.push(`${path} answers ${status}`)
      }
    }
    return problems
  }

  /** With a key whose contents are logged, a secret among what is said. @returns ids of the requests. */
  async askLogged({ url }: ClusterNode, key: string): Promise<readonly string[]> {
    const prompt = this.#canaries.plant('prompt', 'of a logged key')
    const ids: string[] = []
    for (const { path, body } of waysToAsk(UPSTREAM, prompt)) {
      const secret = this.#canaries.plant('told secret', `in a prompt to ${path}`)
      const text = JSON.stringify(body).replaceAll(prompt, `${prompt}, and my key is ${secret}`)
      const { id, status } = await this.#send(url, path, text, bearer(key))
      if (status !== 200) throw new Error(`${path} answers ${status}`)
      ids.push(id)
    }
    return ids
  }

  /** What is refused before anybody is asked. */
  async askWrongly({ url }: ClusterNode, key: string): Promise<void> {
    const prompt = (where: string): string => this.#canaries.plant('prompt', where)
    const wrong = this.#canaries.plant('client key', 'a key that nobody issued')
    for (const { path, body } of waysToAsk(UPSTREAM, prompt('malformed'))) {
      const text = JSON.stringify(body)
      await this.#send(url, path, text.slice(0, -3), bearer(key))
      await this.#send(url, path, text, bearer(wrong))
      await this.#send(url, path, text, { 'x-api-key': wrong, 'x-goog-api-key': wrong })
      await this.#send(url, `${path}${path.includes('?') ? '&' : '?'}key=${wrong}`, text, {})
      await this.#send(url, path, JSON.stringify({ ...body, temperature: prompt('a number') }), bearer(key))
      await this.#send(
        url,
        path,
        JSON.stringify({ ...body, messages: { said: prompt('a list') } }),
        bearer(key),
      )
    }
    for (const { path, body } of waysToAsk(prompt('a model'), 'Hi'))
      await this.#send(url, path, JSON.stringify(body), bearer(key))
    await this.#send(url, `/v1/${prompt('a path')}`, '{}', bearer(key))
    await this.#send(url, '/v1/chat/completions', prompt('no JSON at all'), bearer(key))
  }

  /** @returns what the node tells of the session. */
  async lookAtSession({ url }: ClusterNode, key: string): Promise<string> {
    const answer = await fetch(`${url}/v1/sessions/${sessionOf(UPSTREAM)}?limit=100`, {
      headers: bearer(key),
    })
    const text = await answer.text()
    this.#places.add(SESSIONS, url, text)
    return text
  }

  async #send(
    url: string,
    path: string,
    body: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    this.asked += 1
    const answer = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    })
    // A provider that breaks off breaks the answer off.
    const text = await answer.text().catch(String)
    const told = [...answer.headers].flat().join(' ')
    this.#places.add(CLIENT_ANSWERS, `POST ${path.split('?')[0]}`, `${answer.status} ${told} ${text}`)
    return { id: answer.headers.get('x-request-id') ?? '', status: answer.status, text }
  }
}

const bearer = (key: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${key}` })
