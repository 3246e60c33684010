/**
 * The admin API in a browser: the same names and types as `createAdminClient`, over plain `fetch`.
 */
import type { TRPCClient } from '@trpc/client'
import type { inferRouterOutputs } from '@trpc/server'
import type { AdminRouter } from '#control-plane/admin/router.ts'
import { takeEvents } from './events.ts'

export type Api = TRPCClient<AdminRouter>
export type Outputs = inferRouterOutputs<AdminRouter>

/** Longest wait for one answer, in milliseconds; some read the whole log or wait for nodes. */
const ANSWER_MS = 15_000
const LONG_MS = 120_000
const LONG: ReadonlySet<string> = new Set(['audit.diff', 'audit.revert', 'audit.blame', 'fleet.wait'])
/** The control plane gives a sign of life every 5 s; without one for this long it is gone. */
const SILENCE_MS = 20_000

export type Issue = Readonly<{ path: string; message: string }>

type Known = Readonly<{
  /** tRPC's, `CONFLICT` for instance; null: no answer came. */
  code: string | null
  /** `conflict`, `in_use`, …; null: it was not refused, it failed. */
  refusal: string | null
  /** Each problem of the input, by its path. */
  issues: readonly Issue[]
  /** The version the entity is at, when that stands in the way. */
  current: number | null
}>

const NOTHING_KNOWN: Known = { code: null, refusal: null, issues: [], current: null }

/** Why a call was refused or failed. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure'
  readonly known: Known

  constructor(message: string, known: Partial<Known> = {}) {
    super(message)
    this.known = { ...NOTHING_KNOWN, ...known }
  }

  /** Whether the change was made is not known: the same command id must be sent again. */
  get isOpen(): boolean {
    return this.known.code === null || this.known.code === 'SERVICE_UNAVAILABLE'
  }
}

export type ApiOptions = Readonly<{
  /** Ends in a slash: `http://127.0.0.1:8090/trpc/`. */
  base: string
  token: string
  fetch: typeof fetch
}>

type Told = Readonly<{ onData?: (data: unknown) => void; onError?: (error: Error) => void }>

/** A procedure is called by its path, `api.providers.list.query({})`; nothing is known here but the type. */
export const createApi = (options: ApiOptions): Api => named(options, []) as unknown as Api

function named(options: ApiOptions, path: readonly string[]): object {
  return new Proxy(() => undefined, {
    get: (_, name) => named(options, [...path, String(name)]),
    apply: (_, __, [input, more]: [unknown, (Told & { signal?: AbortSignal }) | undefined]) => {
      const procedure = path.slice(0, -1).join('.')
      if (path.at(-1) === 'subscribe') return subscribe(options, procedure, input, more ?? {})
      return ask(options, procedure, { input, isChange: path.at(-1) === 'mutate', signal: more?.signal })
    },
  })
}

type Question = Readonly<{ input: unknown; isChange: boolean; signal: AbortSignal | undefined }>

async function ask(options: ApiOptions, procedure: string, question: Question): Promise<unknown> {
  const limit = AbortSignal.timeout(LONG.has(procedure) ? LONG_MS : ANSWER_MS)
  const signal = question.signal === undefined ? limit : AbortSignal.any([limit, question.signal])
  try {
    const response = await options.fetch(...requestOf(options, procedure, question, signal))
    return dataOf(await response.json())
  } catch (error) {
    if (error instanceof ApiFailure || question.signal?.aborted === true) throw error
    throw new ApiFailure(limit.aborted ? 'No answer in time.' : 'The control plane cannot be reached.')
  }
}

export function requestOf(
  { base, token }: Pick<ApiOptions, 'base' | 'token'>,
  procedure: string,
  { input, isChange }: Pick<Question, 'input' | 'isChange'>,
  signal?: AbortSignal,
): [url: string, init: RequestInit] {
  const authorization = `Bearer ${token}`
  // No cookie, no address that we came from, nothing kept.
  const plain = {
    credentials: 'omit',
    cache: 'no-store',
    redirect: 'error',
    ...(signal && { signal }),
  } as const
  if (!isChange) {
    const query = input === undefined ? '' : `?input=${encodeURIComponent(JSON.stringify(input))}`
    return [`${base}${procedure}${query}`, { ...plain, headers: { authorization } }]
  }
  const headers = { authorization, 'content-type': 'application/json' }
  return [`${base}${procedure}`, { ...plain, method: 'POST', headers, body: JSON.stringify(input ?? {}) }]
}

type Answer = Readonly<{
  result?: { data?: unknown }
  error?: { message: string; data?: Partial<Known> }
}>

function dataOf(answer: Answer): unknown {
  if (answer.error === undefined) return answer.result?.data
  throw failureOf(answer.error)
}

const failureOf = ({ message, data }: NonNullable<Answer['error']>): ApiFailure =>
  new ApiFailure(message, data ?? {})

/** A connection that breaks is told as an error: whoever begins again is told everything anew. */
function subscribe(
  options: ApiOptions,
  procedure: string,
  input: unknown,
  { onData, onError }: Told,
): Readonly<{ unsubscribe: () => void }> {
  const ended = new AbortController()
  follow(options, procedure, input, ended.signal, (data) => onData?.(data)).then(
    () => onError?.(new ApiFailure('The control plane ended the stream.')),
    (error: unknown) => {
      if (ended.signal.aborted) return
      onError?.(error instanceof ApiFailure ? error : new ApiFailure('The control plane cannot be reached.'))
    },
  )
  return { unsubscribe: () => ended.abort() }
}

async function follow(
  options: ApiOptions,
  procedure: string,
  input: unknown,
  ended: AbortSignal,
  onData: (data: unknown) => void,
): Promise<void> {
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), SILENCE_MS)
  try {
    const signal = AbortSignal.any([ended, silence.signal])
    const question = { input: input ?? {}, isChange: false }
    const response = await options.fetch(...requestOf(options, procedure, question, signal))
    if (!response.ok || response.body === null) throw failureOf((await response.json()).error)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (let text = ''; ;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), SILENCE_MS)
      const { events, rest } = takeEvents(text + value)
      text = rest
      for (const { event, data } of events) {
        if (event === 'message') onData(JSON.parse(data))
        if (event === 'serialized-error') throw failureOf(JSON.parse(data))
        if (event === 'return') return
      }
    }
  } finally {
    clearTimeout(timer)
  }
}
