/**
 * The typed client of the admin API, for programs: `import { createAdminClient } from 'apiproxy/admin'`.
 *
 * Every call has a deadline. A change is sent with a command id, so a call whose answer was lost can be
 * repeated: pass the same input object again, and the same change is meant. A new object is a new change;
 * to mean the same one across processes, put a `commandId` of your own into the input.
 *
 * For packages that are linked (a workspace, `file:` or `npm link`): Node strips no types from a copy under
 * `node_modules`, so there it takes a bundler or a loader that does.
 */
import {
  createTRPCClient,
  httpLink,
  splitLink,
  TRPCClientError,
  type TRPCClient,
  type TRPCLink,
} from '@trpc/client'
import { observable } from '@trpc/server/observable'
import type { Issue } from '../commands/rejection.ts'
import { eventStreamLink } from './event-stream.ts'
import type { AdminRouter } from './router.ts'

export type AdminClientOptions = Readonly<{
  /** Of the control plane: `http://127.0.0.1:8090`. */
  url: string
  /** The admin token. */
  token: string
  /** Longest wait for one answer, in milliseconds; 10 s by default. Waiting and verifying take longer. */
  timeoutMs?: number
}>

export type AdminClient = TRPCClient<AdminRouter>

const TIMEOUT_MS = 10_000
const READS_THE_LOG: ReadonlySet<string> = new Set([
  'audit.verify',
  'audit.replay',
  'audit.stateAt',
  'audit.diff',
  // … and this one the books.
  'config.whatIf',
])
/** Reading a log of millions of commits. */
const VERIFY_TIMEOUT_MS = 600_000

export function createAdminClient({ url, token, timeoutMs = TIMEOUT_MS }: AdminClientOptions): AdminClient {
  const base = new URL('trpc', url.endsWith('/') ? url : `${url}/`)
  return createTRPCClient<AdminRouter>({
    links: [
      identified,
      bounded(timeoutMs),
      splitLink({
        condition: ({ type }) => type === 'subscription',
        true: eventStreamLink(base.href, token),
        false: httpLink({ url: base.href, headers: { authorization: `Bearer ${token}` } }),
      }),
    ],
  })
}

/** Gives every change a command id: the same for the same input object. */
const identified: TRPCLink<AdminRouter> = () => {
  const commandIds = new WeakMap<object, string>()
  return ({ op, next }) => {
    const { input } = op
    if (
      op.type !== 'mutation' ||
      !isObject(input) ||
      ('commandId' in input && input.commandId !== undefined)
    ) {
      return next(op)
    }
    const commandId = commandIds.get(input) ?? crypto.randomUUID()
    commandIds.set(input, commandId)
    return next({ ...op, input: { ...input, commandId } })
  }
}

/** Ends a call whose answer does not come. */
const bounded =
  (timeoutMs: number): TRPCLink<AdminRouter> =>
  () =>
  ({ op, next }) =>
    observable((observer) => {
      // A subscription has no answer that could be late; its link listens for signs of life.
      if (op.type === 'subscription') return next(op).subscribe(observer)
      const limit = timeoutMs + workOf(op.path, op.input)
      const controller = new AbortController()
      const timer = setTimeout(() => {
        observer.error(new TRPCClientError(`no answer in ${limit} ms`))
        controller.abort()
      }, limit)
      const signals = [controller.signal, op.signal ?? []].flat()
      const subscription = next({ ...op, signal: AbortSignal.any(signals) }).subscribe(observer)
      return () => {
        clearTimeout(timer)
        subscription.unsubscribe()
      }
    })

/** @returns how long the control plane may work before it answers, in milliseconds. */
function workOf(path: string, input: unknown): number {
  if (READS_THE_LOG.has(path)) return VERIFY_TIMEOUT_MS
  if (path !== 'fleet.wait') return 0
  return isObject(input) && 'timeoutMs' in input && typeof input.timeoutMs === 'number'
    ? input.timeoutMs
    : 10_000
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Why a call was refused or failed, as data. */
export type AdminFailure = Readonly<{
  /** tRPC's code, `NOT_FOUND` for instance; null: no answer came. */
  code: string | null
  message: string
  /** Each problem of the input, by its path. */
  issues: readonly Issue[]
  /** The version the entity is at, when that stands in the way. */
  current: number | null
}>

export function failureOf(error: unknown): AdminFailure {
  if (isAdminError(error) && error.data) {
    const { code, issues, current } = error.data
    return { code, message: error.message, issues, current }
  }
  return {
    code: null,
    message: deepest(error),
    issues: [],
    current: null,
  }
}

/** `fetch failed` says nothing; its cause does. */
const deepest = (error: unknown): string =>
  !(error instanceof Error)
    ? String(error)
    : error.cause instanceof Error
      ? deepest(error.cause)
      : error.message

const isAdminError = (error: unknown): error is TRPCClientError<AdminRouter> =>
  error instanceof TRPCClientError
