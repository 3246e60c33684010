/**
 * The path of an inference request: who is calling, what for, who could serve it, in which order, and the
 * answer. Everything before the first attempt is synchronous and in memory, unless a session is named.
 */
import type { Problem } from '#contracts/errors.ts'
import * as names from '#contracts/http/headers.ts'
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { Limited, Limiter, Permit } from '../admission/limiter.ts'
import { readCredential, type Authenticator } from '../admission/principal.ts'
import { endpointRefusal, withinScope } from '../admission/scope.ts'
import type { Admission, Budgets } from '../budgets/budgets.ts'
import type { Sealer } from '../dialects/canonical/carrier.ts'
import type { ClientExchange } from '../listener/client-exchange.ts'
import type { RequestHeaders } from '../http/request-headers.ts'
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
import { routeByName, routeToOwner, shortened, withoutOwner, type OwnedRoute } from './calls/route.ts'
import type { Arrival, Call, Inquiry, LocalAnswer } from './inquiry.ts'
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

/**
 * Waits itself for what nearly every request waits for, its body and its answer: each function that waited in
 * between would cost promises of its own.
 */
export async function serveCall(ports: InferencePorts, call: Call, client: ClientExchange): Promise<void> {
  const requestId = ports.newRequestId()
  const reply = new Reply(client, requestId, call.tongue)
  const account = new Account(requestId, ports.clock.now(), ports.clock.monotonic())
  // Whoever has the end of its answer is in the books with it.
  reply.hold()
  try {
    const caller = meet(ports, call, client, account)
    if (!caller.ok) return reply.fail(caller.error)
    const read = readBody(client, ports.bodyLimit)
    const body = read instanceof Promise ? await read : read
    if (!body.ok) return reply.fail(body.error)
    const came = { caller: caller.value, reply, account, headers: client.headers, body: body.value }
    const understood = understand(ports, call, came)
    const asked = understood instanceof Promise ? await understood : understood
    if (!asked.ok) return reply.fail(asked.error)
    const exchange = asked.value
    if (exchange === null) return
    ports.recorder.watch(reply, exchange)
    const gated = throughGates(ports, exchange)
    let problem: Problem | null
    if (gated === null) {
      const planned = planOf(ports, exchange)
      const plan = planned instanceof Promise ? await planned : planned
      problem = conclude(ports, exchange, plan, await runPlan(ports, plan))
    } else problem = await gated
    if (problem !== null) reply.fail(problem)
  } catch (error) {
    ports.logger.error({ error, requestId }, 'request failed inside the gateway')
    reply.fail({ code: 'internal_error' })
  } finally {
    const status = reply.status === 0 ? CLIENT_LEFT : reply.status
    ports.onSettled(status)
    const record = account.close(status, ports.clock.monotonic())
    if (record === null) reply.release()
    else ports.onRecord(record, () => reply.release())
  }
}

type Caller = Readonly<{ snapshot: RoutingSnapshot; principal: Principal }>

/** Who is calling, and by what is known now. */
function meet(
  ports: InferencePorts,
  { endpoint }: Call,
  client: ClientExchange,
  account: Account,
): Result<Caller, Problem> {
  const snapshot = ports.holder.current
  if (snapshot === null) return err({ code: 'not_ready' })
  const credential = readCredential(client)
  if (!credential.ok) return credential
  const known = ports.authenticator.authenticate(snapshot, credential.value, account.at)
  if (!known.ok) return known
  const principal = known.value
  account.calledBy(principal, snapshot.commit, endpoint)
  const refusal = endpointRefusal(principal, endpoint)
  return refusal === null ? ok({ snapshot, principal }) : err(refusal)
}

/** What is known of a request once all of it is there. */
type Came = Readonly<{
  caller: Caller
  reply: Reply
  account: Account
  headers: RequestHeaders
  body: Buffer
}>

/** What is asked for and who could serve it; null: it is answered already. */
type Asked = Result<Exchange | null, Problem>

/** @returns a promise only where it has to be looked up who keeps what the request belongs to. */
function understand(ports: InferencePorts, call: Call, came: Came): Asked | Promise<Asked> {
  const { snapshot, principal } = came.caller
  const read = call.read(arrivalOf(ports, came))
  if (!read.ok) return read
  const inquiry = read.value
  came.account.askedFor(inquiry.model, inquiry.stream)
  if (inquiry.owner === null)
    return exchangeOf(call, came, inquiry, withoutOwner(routeByName(snapshot, inquiry.model)))
  const found = routeToOwner(ports.notes, snapshot, principal, inquiry)
  return found.then((route) => exchangeOf(call, came, inquiry, route))
}

function arrivalOf(
  { countStreams, clock, sealer, notes }: InferencePorts,
  { caller, account, headers, body }: Came,
): Arrival {
  return {
    body,
    headers,
    requestId: account.id,
    strict: headers.get(names.STRICT) === 'true',
    countStreams,
    now: clock.now(),
    sealer,
    notes,
    keyId: caller.principal.keyId,
  }
}

function exchangeOf(
  { tongue, endpoint, conversation }: Call,
  { caller: { snapshot, principal }, reply, account, headers, body }: Came,
  inquiry: Inquiry,
  found: Result<OwnedRoute, Problem>,
): Asked {
  const allowed = withinScope(principal, inquiry.model, found)
  if (!allowed.ok) return allowed
  const { route, owned } = allowed.value
  const local = inquiry.answerLocally?.(route.candidates) ?? null
  if (local !== null) {
    if (!local.ok) return local
    tellLocally(reply, snapshot, local.value)
    return ok(null)
  }
  return ok({
    id: account.id,
    at: account.at,
    reply,
    account,
    tongue,
    endpoint,
    conversation,
    snapshot,
    principal,
    headers,
    body,
    bytes: body.length,
    inquiry,
    model: inquiry.model,
    stream: inquiry.stream,
    route,
    session: owned,
    permit: null,
    limits: NO_LIMITS,
    first: null,
  })
}

/** @returns null when nothing has to be paid and nothing is limited, as for most. */
function throughGates(ports: InferencePorts, exchange: Exchange): Promise<Problem | null> | null {
  const paid = ports.budgets.admit(exchange)
  if (paid !== null) return pay(ports, exchange, paid)
  const admission = ports.limiter.admit(exchange)
  return admission === null ? null : admission.then((limited) => enter(ports, exchange, limited))
}

/** Serves what its budgets can pay, and tells them what it cost. */
async function pay(
  ports: InferencePorts,
  exchange: Exchange,
  paid: Promise<Admission> | Admission,
): Promise<Problem | null> {
  const paying = await paid
  if (!paying.ok) return paying.error
  const { route, leases, settle } = paying.value
  exchange.account.paidBy(leases)
  exchange.route = route
  try {
    const admission = ports.limiter.admit(exchange)
    // Awaited: a promise that an async function returns as it is costs three turns of the microtask queue.
    return admission === null ? await proceed(ports, exchange) : await enter(ports, exchange, await admission)
  } finally {
    settle(exchange.account.used)
  }
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

/** As `serveCall` does it where no gate is in the way. */
async function proceed(ports: InferencePorts, exchange: Exchange): Promise<Problem | null> {
  const plan = await planOf(ports, exchange)
  return conclude(ports, exchange, plan, await runPlan(ports, plan))
}

/** @returns a promise only where something has to be looked up first. */
function planOf(ports: InferencePorts, exchange: Exchange): Plan | Promise<Plan> {
  const recalled = exchange.inquiry.recall(exchange.route.candidates)
  const named = sessionId(exchange.headers)
  if (recalled !== null || named !== null) return planAfter(ports, exchange, recalled, named)
  const seed = ports.seed()
  exchange.account.routed(exchange.route.model, null, seed)
  return newPlan(ports, exchange, seed)
}

async function planAfter(
  ports: InferencePorts,
  exchange: Exchange,
  recalled: Promise<void> | null,
  named: string | null,
): Promise<Plan> {
  if (recalled !== null) await recalled
  const seed = ports.seed()
  const { account, route, principal } = exchange
  const name = named === null ? null : sessionName(principal.keyId, named)
  account.routed(route.model, name, seed)
  // Where it goes may be known already: to who keeps state of it.
  if (named !== null && name !== null && exchange.session === null) {
    const of = { key: principal.keyId, model: route.model, session: named }
    exchange.session = await findSession(ports.sessions, of, name)
  }
  return newPlan(ports, exchange, seed)
}

function newPlan(ports: InferencePorts, exchange: Exchange, seed: number): Plan {
  const { account, route, snapshot, reply, stream } = exchange
  const plan = new Plan(ports, exchange, seed)
  account.choosing(route.strategy, plan.session, snapshot)
  reply.expect(stream, (head) => answerHeaders(ports, exchange, head))
  return plan
}

/** @returns the problem to tell, when nothing was told yet. */
function conclude(
  { logger }: InferencePorts,
  exchange: Exchange,
  { seed }: Plan,
  result: PlanResult,
): Problem | null {
  if (isWorthALine(result)) logFailure(logger, exchange, seed, result)
  return tell(exchange.reply, exchange, result)
}

function tellLocally(reply: Reply, { commit }: RoutingSnapshot, { body, warnings }: LocalAnswer): void {
  const about = [names.COMMIT, String(commit), names.WARNINGS, warningsHeader(warnings)]
  reply.send('application/json; charset=utf-8', Buffer.from(body), about)
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
