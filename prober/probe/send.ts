/**
 * Asks a provider for the smallest chat completion there is, and says what became of it.
 *
 * The prober's home of undici. The prompt is a constant: probes carry nothing of any client.
 */
import { Agent, request, type Dispatcher } from 'undici'
import { endpointsOf } from '#contracts/catalog/endpoints.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { EgressRefused, guardedConnector } from '#contracts/security/guarded-connector.ts'
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'
import type { ProbeResult } from '../judgement/window.ts'
import type { RosterEntry } from './plan.ts'

const PROMPT = 'ping'
/** Some providers refuse fewer than 16. */
const MAX_TOKENS = 16
const CONNECT_MS = 5_000
const CONNECTIONS = 4
/** Sixteen tokens take far less. */
const LARGEST_ANSWER_BYTES = 256 * 1024

/** @returns null when the address is refused: nothing was sent, and nothing is known. */
export type SendProbe = (entry: RosterEntry, timeoutMs: number) => Promise<ProbeResult | null>

export class ProbeSender implements AsyncDisposable {
  readonly #clock: Clock
  readonly #public = agent(false)
  readonly #anywhere = agent(true)
  /** URL and model of deployments that want the limit under its newer name. */
  readonly #newerLimit = new Set<string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async send(entry: RosterEntry, timeoutMs: number): Promise<ProbeResult | null> {
    const model = entry.probe.model ?? entry.model
    const name = `${entry.baseUrl}\n${model}`
    const first = await this.#ask(entry, model, this.#newerLimit.has(name), timeoutMs)
    if (first?.outcome !== 'invalid' || this.#newerLimit.has(name)) return first
    // OpenAI's reasoning models refuse `max_tokens`; most other servers know nothing else.
    const second = await this.#ask(entry, model, true, timeoutMs)
    if (second?.outcome === 'success') this.#newerLimit.add(name)
    return second
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#public.destroy(), this.#anywhere.destroy()])
  }

  async #ask(
    entry: RosterEntry,
    model: string,
    hasNewerLimit: boolean,
    timeoutMs: number,
  ): Promise<ProbeResult | null> {
    const limit = hasNewerLimit ? { max_completion_tokens: MAX_TOKENS } : { max_tokens: MAX_TOKENS }
    const startedAt = this.#clock.monotonic()
    const after = (outcome: OutcomeClass): ProbeResult => ({
      outcome,
      ms: this.#clock.monotonic() - startedAt,
    })
    try {
      const { origin, paths, credential } = endpointsOf(entry.kind, entry.baseUrl)
      const answer = await request(origin + paths(model).chat, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(entry.credential === null ? {} : Object.fromEntries([credential(entry.credential.reveal())])),
        },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: PROMPT }], ...limit }),
        dispatcher: entry.allowPrivate ? this.#anywhere : this.#public,
        // It refuses fractions, which timeouts taken from what is usual have.
        signal: AbortSignal.timeout(Math.ceil(timeoutMs)),
      })
      const body = await readUpTo(answer.body, LARGEST_ANSWER_BYTES)
      return after(outcomeOf(answer.statusCode, body))
    } catch (error) {
      if (error instanceof EgressRefused) return null
      return after(isTimeout(error) ? 'timeout' : 'fault')
    }
  }
}

function agent(allowPrivate: boolean): Agent {
  return new Agent({
    connect: guardedConnector(allowPrivate, CONNECT_MS),
    connections: CONNECTIONS,
    allowH2: false,
    // The signal of each probe ends it.
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}

async function readUpTo(body: Dispatcher.ResponseData['body'], most: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk) || (bytes += chunk.length) > most) break
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function outcomeOf(status: number, body: string): OutcomeClass {
  if (status >= 200 && status < 300) return hasChoices(body) ? 'success' : 'fault'
  if (status === 401 || status === 403) return 'unauthorised'
  if (status === 402) return 'exhausted'
  if (status === 404) return 'missing'
  if (status === 408) return 'timeout'
  if (status === 429) return 'throttled'
  if (status === 503 || status === 529) return 'overloaded'
  return status >= 400 && status < 500 ? 'invalid' : 'fault'
}

/** Gateways in front of providers answer 200 with an error page or an error object, too. */
function hasChoices(body: string): boolean {
  try {
    const answer: unknown = JSON.parse(body)
    return (
      typeof answer === 'object' && answer !== null && 'choices' in answer && Array.isArray(answer.choices)
    )
  } catch {
    return false
  }
}

const isTimeout = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'TimeoutError' || error.name === 'ConnectTimeoutError')
