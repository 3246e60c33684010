/**
 * The control link over HTTP: what a node asks of the control plane when it is a process of its own.
 *
 * These connections go to our own side and need no egress guard. Several control planes are tried in turn, beginning with the one that answered last.
 */
import { Agent } from 'undici'
import { CommitsAnswer, ModelListsAnswer, SecretsAnswer, SecretsRequest, type ControlLink } from './link.ts'
import { LeaseAnswer, type LeaseAsk } from './leases.ts'
import { encodeNodeReport, type NodeReport } from './report.ts'
import { secretId, type SecretId } from '../ids.ts'
import type { Secret } from '../security/secret.ts'

const MOST_BYTES = 256 * 1024 * 1024
/** TCP and TLS, in milliseconds: one of several control planes may be a black hole. */
const CONNECT_MS = 2_000
/** For the first byte of an answer, beyond what it was asked to wait, in milliseconds. */
const ANSWER_MS = 10_000
/** Between two pieces of a body, in milliseconds. */
const IDLE_MS = 10_000
/** One request a purpose at a time, and the secrets of a large catalog beside them. */
const CONNECTIONS = 8

/** No control plane gave a usable answer. The message says what each of them did. */
export class ControlUnavailable extends Error {
  override readonly name = 'ControlUnavailable'
}

export type HttpLinkOptions = Readonly<{
  /** `http://control:8090`; several separated by commas. A path prefix is kept. */
  url: string
  /** `MasterKey.nodeToken`. */
  token: Secret
  /** Largest answer, in bytes. 256 MiB when absent: a snapshot of about 700,000 client keys. */
  mostBytes?: number
}>

type Question = Readonly<{
  method: 'GET' | 'POST'
  path: string
  body?: string
  waitMs?: number
  signal: AbortSignal
}>

export class HttpControlLink implements ControlLink, AsyncDisposable {
  readonly #bases: readonly string[]
  readonly #token: Secret
  readonly #agent: Agent
  /** Index of the base URL to begin with: the one that answered last, or the one after a failure. */
  #preferred = 0

  constructor({ url, token, mostBytes = MOST_BYTES }: HttpLinkOptions) {
    this.#bases = url.split(',').map((base) => base.trim().replace(/\/+$/, ''))
    this.#token = token
    this.#agent = new Agent({
      connections: CONNECTIONS,
      pipelining: 1,
      allowH2: false,
      connect: { timeout: CONNECT_MS },
      bodyTimeout: IDLE_MS,
      maxResponseSize: mostBytes,
    })
  }

  snapshot(signal: AbortSignal): Promise<string> {
    return this.#ask({ method: 'GET', path: '/snapshot', signal }, (text) => text)
  }

  commits(after: number, waitMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const path = `/commits?after=${after}&wait=${waitMs}`
    return this.#ask(
      { method: 'GET', path, waitMs, signal },
      (text) => CommitsAnswer.parse(JSON.parse(text)).commits,
    )
  }

  secrets(ids: readonly SecretId[], signal: AbortSignal): Promise<ReadonlyMap<SecretId, string>> {
    const body = JSON.stringify(SecretsRequest.parse({ ids }))
    return this.#ask({ method: 'POST', path: '/secrets', body, signal }, (text) => {
      const { secrets } = SecretsAnswer.parse(JSON.parse(text))
      return new Map(Object.entries(secrets).map(([id, vaultText]) => [secretId(id), vaultText]))
    })
  }

  report(report: NodeReport, signal: AbortSignal): Promise<void> {
    return this.#ask(
      { method: 'POST', path: '/report', body: encodeNodeReport(report), signal },
      () => undefined,
    )
  }

  modelLists(signal: AbortSignal): Promise<readonly string[]> {
    return this.#ask(
      { method: 'GET', path: '/model-lists', signal },
      (text) => ModelListsAnswer.parse(JSON.parse(text)).lists,
    )
  }

  leases(ask: LeaseAsk, signal: AbortSignal): Promise<LeaseAnswer> {
    return this.#ask({ method: 'POST', path: '/leases', body: JSON.stringify(ask), signal }, (text) =>
      LeaseAnswer.parse(JSON.parse(text)),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy()
  }

  async #ask<Answer>(question: Question, read: (text: string) => Answer): Promise<Answer> {
    const problems: string[] = []
    const first = this.#preferred
    for (let turn = 0; turn < this.#bases.length; turn++) {
      const index = (first + turn) % this.#bases.length
      const base = this.#bases[index] ?? ''
      try {
        const answer = read(await this.#askOne(base, question))
        this.#preferred = index
        return answer
      } catch (error) {
        // Whoever runs out of time here begins with the next one the next time.
        this.#preferred = (index + 1) % this.#bases.length
        problems.push(`${base}${question.path.replace(/\?.*/, '')}: ${describe(error)}`)
        if (question.signal.aborted) break
      }
    }
    throw new ControlUnavailable(problems.join('; '))
  }

  async #askOne(base: string, { method, path, body, waitMs = 0, signal }: Question): Promise<string> {
    const url = new URL(base)
    const answer = await this.#agent.request({
      origin: url.origin,
      path: `${url.pathname.replace(/\/+$/, '')}${path}`,
      method,
      headers: {
        authorization: `Bearer ${this.#token.reveal()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body ?? null,
      headersTimeout: waitMs + ANSWER_MS,
      signal,
    })
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer.body.text()
    await answer.body.dump()
    if (answer.statusCode === 401 || answer.statusCode === 403) {
      throw new Error(
        `refused this node's token (${answer.statusCode}): is the master key the same on both sides?`,
      )
    }
    throw new Error(`answered ${answer.statusCode}`)
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // A refused connection to a name with several addresses is an aggregate without a message of its own.
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return error.message === '' ? code : error.message.split('\n', 1).join('').slice(0, 200)
}
