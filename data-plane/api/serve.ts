/**
 * The path of an inference request: who is calling, what for, who could serve it, in which order, and the
 * answer. Everything before the first attempt is synchronous and in memory, unless a session is named.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Problem } from '#contracts/errors.ts'
import * as names from '#contracts/http/headers.ts'
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { Result } from '#contracts/result.ts'
import type { Limited, Limiter, Permit } from '../admission/limiter.ts'
import { readCredential, type Authenticator } from '../admission/principal.ts'
import { endpointRefusal, withinScope } from '../admission/scope.ts'
import type { Admission, Budgets } from '../budgets/budgets.ts'
import type { Sealer } from '../dialects/canonical/carrier.ts'
import type { Notes } from '../notes/notes.ts'
import type { Principal, RoutingSnapshot } from '../routing/snapshot.ts'
import type { ContextStore } from '../sessions/context.ts'
import type { Recorder } from '../sessions/recorder.ts'
import type { SessionStore } from '../sessions/store.ts'
import type { SnapshotHolder } from '../sync/holder.ts'
import type { AnswerHead } from '../upstream/downstream.ts'
import { isWorthALine, runPlan, type FailoverPorts, type PlanResult } from '../upstream/failover.ts'
import { Account, type RequestEntry } from '../usage/account.ts'
import { readBody } from './body.ts'
import { routeByName, routeToOwner, shortened, withoutOwner } from './calls/route.ts'
import type { Arrival, Call, LocalAnswer } from './inquiry.ts'
import { Plan, type Exchange, type PlanPorts } from './plan.ts'
import { problemOf, unasked } from './problem-of.ts'
import { Reply, warningsHeader, type HeaderList } from './reply.ts'
import { findSession, sessionId, sessionName, settleSession } from './session.ts'

export type InferencePorts = FailoverPorts &
  PlanPorts &
  Readonly<{
    holder: SnapshotHolder
    authenticator: Authenticator
    limiter: Limiter
    budgets: Budgets
    /** Null: nothing that is said in sessions is kept. */
    context: ContextStore | null
    recorder: Recorder
    sessions: SessionStore
    sealer: Sealer
    notes: Notes
    clock: Clock
    logger: Logger
    /** 32 random bits: the dice of one request follow from them. */
    seed: () => number
    newRequestId: () => string
    /** Largest request body, in bytes. */
    bodyLimit: number
    /** Chat streams are counted by their providers also where clients do not ask; those are not told. */
    countStreams: boolean
    /** Origins whose scripts may call us; `*`: all. */
    corsOrigins: readonly string[]
    /** Told once a request of a known caller, when it is over. `written`: called when nothing can undo that. */
    onRecord: (record: RequestEntry, written: () => void) => void
    /** Told once a request: the status the client saw (499: it had left). */
    onSettled: (status: number) => void
  }>

const NO_LIMITS: HeaderList = []

/** nginx's status for "the client closed the connection": for our own books, never sent. */
const CLIENT_LEFT = 499

export async function serveCall(
  ports: InferencePorts,
  call: Call,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const requestId = ports.newRequestId()
  const reply = new Reply(response, requestId, call.tongue)
  const account = new Account(requestId, ports.clock.now(), ports.clock.monotonic())
  // Whoever has the end of its answer is in the books with it.
  reply.hold()
  try {
    const problem = await serve(ports, call, request, reply, account)
    if (problem !== null) reply.fail(problem)
  } catch (error) {
    ports.logger.error({ error, requestId }, 'request failed inside the gateway')
    reply.fail({ code: 'internal_error' })
  }
  const status = reply.status === 0 ? CLIENT_LEFT : reply.status
  ports.onSettled(status)
  const record = account.close(status, ports.clock.monotonic())
  if (record === null) reply.release()
  else ports.onRecord(record, () => reply.release())
}

async function serve(
  ports: InferencePorts,
  call: Call,
  request: IncomingMessage,
  reply: Reply,
  account: Account,
): Promise<Problem | null> {
  const snapshot = ports.holder.current
  if (snapshot === null) return { code: 'not_ready' }
  const caller = identify(ports, snapshot, request, account)
  if (!caller.ok) return caller.error
  const principal = caller.value
  account.calledBy(principal, snapshot.commit, call.endpoint)
  const refusal = endpointRefusal(principal, call.endpoint)
  if (refusal !== null) return refusal
  const body = await readBody(request, ports.bodyLimit)
  if (!body.ok) return body.error
  const read = call.read(arrivalOf(ports, principal, account.id, request.headers, body.value))
  if (!read.ok) return read.error
  const inquiry = read.value
  account.askedFor(inquiry.model, inquiry.stream)
  const found =
    inquiry.owner === null
      ? withoutOwner(routeByName(snapshot, inquiry.model))
      : await routeToOwner(ports.notes, snapshot, principal, inquiry)
  const allowed = withinScope(principal, inquiry.model, found)
  if (!allowed.ok) return allowed.error
  const { route, owned } = allowed.value
  const local = inquiry.answerLocally?.(route.candidates) ?? null
  if (local !== null) return tellLocally(reply, snapshot, local)
  const exchange: Exchange = {
    id: account.id,
    at: account.at,
    reply,
    account,
    tongue: call.tongue,
    endpoint: call.endpoint,
    conversation: call.conversation,
    snapshot,
    principal,
    headers: request.headers,
    body: body.value,
    bytes: body.value.length,
    inquiry,
    model: inquiry.model,
    stream: inquiry.stream,
    route,
    session: owned,
    permit: null,
    limits: NO_LIMITS,
    first: null,
  }
  ports.recorder.watch(reply, exchange)
  const paid = ports.budgets.admit(exchange)
  // Awaited: a promise that an async function returns as it is costs three turns of the microtask queue.
  return paid === null ? await letIn(ports, exchange) : await pay(ports, exchange, await paid)
}

function identify(
  { authenticator }: InferencePorts,
  snapshot: RoutingSnapshot,
  request: IncomingMessage,
  { at }: Account,
): Result<Principal, Problem> {
  const credential = readCredential(request)
  return credential.ok ? authenticator.authenticate(snapshot, credential.value, at) : credential
}

const arrivalOf = (
  { countStreams, clock, sealer, notes }: InferencePorts,
  { keyId }: Principal,
  requestId: string,
  headers: IncomingHttpHeaders,
  body: Buffer,
): Arrival => ({
  body,
  headers,
  requestId,
  strict: headers[names.STRICT] === 'true',
  countStreams,
  now: clock.now(),
  sealer,
  notes,
  keyId,
})

/** Serves what its budgets can pay, and tells them what it cost. */
async function pay(ports: InferencePorts, exchange: Exchange, paid: Admission): Promise<Problem | null> {
  if (!paid.ok) return paid.error
  const { route, leases, settle } = paid.value
  exchange.account.paidBy(leases)
  exchange.route = route
  try {
    return await letIn(ports, exchange)
  } finally {
    settle(exchange.account.used)
  }
}

function letIn(ports: InferencePorts, exchange: Exchange): Promise<Problem | null> {
  const admission = ports.limiter.admit(exchange)
  return admission === null
    ? proceed(ports, exchange)
    : admission.then((limited) => enter(ports, exchange, limited))
}

/** Serves what was let in and counts what it cost; tells what was not when to come back. */
async function enter(
  ports: InferencePorts,
  exchange: Exchange,
  admission: Result<Permit, Limited>,
): Promise<Problem | null> {
  const { reply, snapshot, stream, tongue } = exchange
  const { levels } = admission.ok ? admission.value : admission.error
  const limits = tongue.limitHeaders(levels, ports.clock.now())
  if (!admission.ok) {
    reply.fail(admission.error.problem, [names.COMMIT, String(snapshot.commit), ...limits])
    return null
  }
  const permit = admission.value
  exchange.permit = permit
  exchange.limits = limits
  let isServed = false
  try {
    const problem = await proceed(ports, exchange)
    isServed = problem === null && reply.status < 400
    return problem
  } finally {
    if (!isServed) permit.onUsage(0, 0) // a refusal costs nothing
    permit.end(reply.bytes, stream)
  }
}

async function proceed(ports: InferencePorts, exchange: Exchange): Promise<Problem | null> {
  const { reply, inquiry, account, route } = exchange
  const recalled = inquiry.recall(route.candidates)
  if (recalled !== null) await recalled
  const seed = ports.seed()
  const named = sessionId(exchange.headers)
  const name = named === null ? null : sessionName(exchange.principal.keyId, named)
  account.routed(route.model, name, seed)
  // Where it goes may be known already: to who keeps state of it.
  if (named !== null && name !== null && exchange.session === null) {
    const of = { key: exchange.principal.keyId, model: route.model, session: named }
    exchange.session = await findSession(ports.sessions, of, name)
  }
  const plan = new Plan(ports, exchange, seed)
  account.choosing(route.strategy, plan.session, exchange.snapshot)
  reply.expect(inquiry.stream, (head) => answerHeaders(ports, exchange, head))
  const result = await runPlan(ports, plan)
  if (isWorthALine(result)) logFailure(ports.logger, exchange, seed, result)
  return tell(reply, exchange, result)
}

function tellLocally(
  reply: Reply,
  { commit }: RoutingSnapshot,
  answer: Result<LocalAnswer, Problem>,
): Problem | null {
  if (!answer.ok) return answer.error
  const { body, warnings } = answer.value
  const about = [names.COMMIT, String(commit), names.WARNINGS, warningsHeader(warnings)]
  reply.send('application/json; charset=utf-8', Buffer.from(body), about)
  return null
}

function answerHeaders(
  ports: InferencePorts,
  exchange: Exchange,
  { deployment, lane, attempt, warnings }: AnswerHead,
): string[] {
  const { snapshot, session, first, limits, inquiry } = exchange
  inquiry.onAnswering?.(deployment, lane.credential)
  const headers = [
    names.PROVIDER,
    deployment.provider,
    names.MODEL,
    deployment.modelHeader,
    names.ATTEMPTS,
    String(attempt),
    names.COMMIT,
    String(snapshot.commit),
  ]
  headers.push(...limits)
  if (warnings.length > 0) headers.push(names.WARNINGS, warningsHeader(warnings))
  if (session !== null) {
    const answered = { deployment: deployment.id, credential: lane.credential, attempt }
    const word = session.isRequired ? 'kept' : settleSession(ports.sessions, session, first, answered)
    headers.push(names.SESSION, word)
  }
  return headers
}

/** @returns the problem to tell, when nothing was told yet. */
function tell(reply: Reply, { snapshot }: Exchange, result: PlanResult): Problem | null {
  if (result.kind === 'answered' || result.kind === 'cancelled') return null
  const about = [names.ATTEMPTS, String(result.attempts), names.COMMIT, String(snapshot.commit)]
  if (result.kind === 'refused') {
    const { deployment, refused, failure } = result
    about.push(names.PROVIDER, deployment.provider, names.UPSTREAM_STATUS, String(failure.status))
    const problem = failure.problem ?? problemOf([failure])
    if (refused !== null) reply.refuse(refused, problem, about)
    else reply.fail(problem, about)
    return null
  }
  const last = result.failures.at(-1)
  if (last !== undefined && last.status > 0) about.push(names.UPSTREAM_STATUS, String(last.status))
  reply.fail(last === undefined ? unasked(result.refusal) : problemOf(result.failures), about)
  return null
}

function logFailure(logger: Logger, exchange: Exchange, seed: number, result: PlanResult): void {
  const { id, principal, model, snapshot } = exchange
  const failures =
    result.kind === 'exhausted'
      ? result.failures.map(({ outcome, status }) => ({ outcome, status }))
      : 'failure' in result && result.failure !== null
        ? [{ outcome: result.failure.outcome, status: result.failure.status }]
        : []
  const fields = {
    requestId: id,
    key: principal.keyId,
    model: shortened(model),
    commit: snapshot.commit,
    seed,
    failures,
  }
  logger.warn({ ...fields, attempts: result.attempts, result: result.kind }, 'request not answered')
}
