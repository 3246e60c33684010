/**
 * The two kinds of procedure there are, and how anything that goes wrong in one is told and recorded.
 *
 * An answer never carries SQL, stacks or secrets: refusals are sentences of ours, everything else is a fixed
 * text, and the cause goes to the log of this process.
 */
import { initTRPC, TRPCError } from '@trpc/server'
import { z } from 'zod'
import { LedgerBusy } from '../commands/ledger.ts'
import { describeRejection, type Issue, type Rejection } from '../commands/rejection.ts'
import type { CallOutcome } from '../store/calls.ts'
import { AUTHORITY } from './authority.ts'
import type { AdminContext } from './context.ts'
import { issuesOf } from './issues.ts'

/** Carries a rejection through tRPC to where its data is written. */
class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly rejection: Rejection

  constructor(rejection: Rejection) {
    super(describeRejection(rejection))
    this.rejection = rejection
  }
}

const CODES = {
  not_found: 'NOT_FOUND',
  exists: 'CONFLICT',
  conflict: 'CONFLICT',
  in_use: 'PRECONDITION_FAILED',
  invalid: 'BAD_REQUEST',
  key_reused: 'CONFLICT',
} as const satisfies Readonly<Record<Rejection['kind'], TRPCError['code']>>

export function refused(rejection: Rejection): TRPCError {
  const cause = new Refusal(rejection)
  return new TRPCError({ code: CODES[rejection.kind], message: cause.message, cause })
}

const READ_AGAIN = 'the database does not answer now; try again'
/** A broken connection does not tell whether it broke before or after the commit. */
export const OUTCOME_UNKNOWN =
  'the database does not answer now, and whether the change was made is not known; ' +
  'send it again under the same commandId: it is carried out once'

/** Waits for the database, or says that it is away. What is plainly a bug of ours stays one. */
export async function answered<Value>(work: Promise<Value>, otherwise = READ_AGAIN): Promise<Value> {
  try {
    return await work
  } catch (cause) {
    if (cause instanceof LedgerBusy || isBug(cause)) throw cause
    throw new TRPCError({ code: 'SERVICE_UNAVAILABLE', message: otherwise, cause })
  }
}

const isBug = (cause: unknown): boolean =>
  cause instanceof TypeError ||
  cause instanceof RangeError ||
  cause instanceof ReferenceError ||
  cause instanceof SyntaxError

/** What clients get beside code and message. */
export type RefusalData = Readonly<{
  /** Why it was refused; null: it was not refused, it failed. */
  refusal: Rejection['kind'] | null
  /** Each problem of the input, by its path. */
  issues: readonly Issue[]
  /** The version the entity is at, when that is what stands in the way. */
  current: number | null
}>

const NO_DATA: RefusalData = { refusal: null, issues: [], current: null }

/** @returns what clients are told of an error beside its code and message. */
export function refusalData(error: TRPCError): RefusalData {
  if (!(error.cause instanceof Refusal)) return NO_DATA
  const { rejection } = error.cause
  const issues = rejection.kind === 'invalid' ? rejection.issues : []
  const current =
    rejection.kind === 'conflict' ? rejection.current : rejection.kind === 'exists' ? rejection.version : null
  return { refusal: rejection.kind, issues, current }
}

/** @returns the error as it may be told. */
export function tellable(error: TRPCError): TRPCError {
  const { cause } = error
  if (cause instanceof z.core.$ZodError) return refused({ kind: 'invalid', issues: issuesOf(cause) })
  if (cause instanceof LedgerBusy) {
    return new TRPCError({ code: 'SERVICE_UNAVAILABLE', message: `${cause.message}; try again`, cause })
  }
  // The parser's own message quotes the body, and a body may hold a secret.
  if (error.code === 'PARSE_ERROR' || (error.code === 'BAD_REQUEST' && cause instanceof SyntaxError)) {
    return new TRPCError({ code: 'BAD_REQUEST', message: 'the request is not valid JSON' })
  }
  if (error.code !== 'INTERNAL_SERVER_ERROR') return error
  return new TRPCError({
    code: 'INTERNAL_SERVER_ERROR',
    message: 'the control plane failed; its log says why',
    cause,
  })
}

/** Between two signs of life of a subscription, in milliseconds. */
const PING_MS = 5_000

const t = initTRPC.context<AdminContext>().create({
  isDev: false,
  // Who watches is told that we are there, so that a dead connection is noticed on both sides.
  sse: { ping: { enabled: true, intervalMs: PING_MS } },
  errorFormatter: ({ shape, error }) => {
    const told = tellable(error)
    return { ...shape, message: told.message, data: { ...shape.data, ...refusalData(told) } }
  },
})

export const router = t.router
export const createCallerFactory = t.createCallerFactory

const FAILURES: readonly TRPCError['code'][] = ['INTERNAL_SERVER_ERROR', 'SERVICE_UNAVAILABLE']
const NOT_READ = 'the control plane is starting: it has not read its log yet; try again'

/** As the records of calls name who called. */
export const actorName = ({ actor }: Pick<AdminContext, 'actor'>): string => `${actor.kind}:${actor.id}`

/** What every procedure begins with. Its call leaves a record, whatever becomes of it. */
export const procedure = t.procedure.use(async ({ ctx, path, type, next }) => {
  ctx.note.begun = true
  const tell = (outcome: CallOutcome, detail: string): void =>
    ctx.calls.record({ actor: actorName(ctx), procedure: path, outcome, detail })
  if (AUTHORITY.get(path) !== (type === 'mutation' ? 'write' : 'read')) {
    tell('denied', 'nobody has authority for this procedure')
    throw new TRPCError({ code: 'FORBIDDEN', message: `nobody has authority for ${path}` })
  }
  // Before it has read the log, this process knows an empty configuration, which is not the true one.
  if (ctx.ledger.catalog.genesis === null) {
    tell('failed', NOT_READ)
    throw new TRPCError({ code: 'SERVICE_UNAVAILABLE', message: NOT_READ })
  }
  const result = await next()
  if (result.ok) {
    if (!ctx.note.written) tell('ok', ctx.note.detail)
    return result
  }
  const error = tellable(result.error)
  const isFailure = FAILURES.includes(error.code)
  tell(isFailure ? 'failed' : 'refused', error.message)
  if (isFailure) ctx.logger.error({ error: error.cause, procedure: path }, 'admin call failed')
  throw error
})
