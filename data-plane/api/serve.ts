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
import { diceOf } from '#contracts/routing/dice.ts'
import type { Pick } from '#contracts/routing/pick.ts'
import type { Lane, Principal, Route, RoutingSnapshot } from '../routing/snapshot.ts'
import type { ContextStore } from '../sessions/context.ts'
import type { Recorder } from '../sessions/recorder.ts'
import type { SessionStore } from '../sessions/store.ts'
import type { SnapshotHolder } from '../sync/holder.ts'
import type { AnswerHead } from '../upstream/downstream.ts'
import { isWorthALine, runPlan, type AttemptRecord, type PlanResult } from '../upstream/failover.ts'
import type { Health } from '../upstream/health/health.ts'
import type { Pools } from '../upstream/pools.ts'
import { Account, type RequestRecord } from '../usage/account.ts'
import { readBody } from './body.ts'
import { routeByName, routeToOwner, shortened, withoutOwner } from './calls/route.ts'
import type { Call, Inquiry, LocalAnswer, Tongue } from './inquiry.ts'
import { problemOf, unasked } from './problem-of.ts'
import { Reply, warningsHeader, type HeaderList } from './reply.ts'
import { findSession, preferenceOf, sessionId, sessionName, settleSession, type Session } from './session.ts'

export type InferencePorts = Readonly<{
  holder: SnapshotHolder
  authenticator: Authenticator
  limiter: Limiter
  budgets: Budgets
  /** Null: nothing that is said in sessions is kept. */
  context: ContextStore | null
  recorder: Recorder
  health: Health
  pools: Pools
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
  /** From the request's arrival until its answer must have begun, in milliseconds. */
  requestTimeoutMs: number
  /** The counters of attempts: outcomes by credential, first and total times. */
  onFirst: (lane: Lane, firstMs: number, slowness: number | null) => void
  onAttempt: (record: AttemptRecord, stream: boolean) => void
  /** Told before a request is sent anywhere: what is to be recorded if this process dies then. */
  onIntent: (record: RequestRecord) => void
  /** Told right before it is sent: returns when its intent is written. */
  onSend: () => void
  /** Told once a request of a known caller, when it is over. `written`: called when nothing can undo that. */
  onRecord: (record: RequestRecord, written: () => void) => void
  /** Told once a request: the status the client saw (499: it had left). */
  onSettled: (status: number) => void
}>

/** What is known of a request when it may be let in. */
type Asked = Readonly<{
  reply: Reply
  requestId: string
  snapshot: RoutingSnapshot
  principal: Principal
  inquiry: Inquiry
  route: Route
  /** Where it has to go, because state of it is kept there. */
  owned: Session | null
  /** Length of the request's body. */
  bytes: number
  account: Account
}>

/** How it was let in. */
type Admitted = Readonly<{
  /** Null: nothing limits it. */
  permit: Permit | null
  /** Where its limits stand, as headers. */
  limits: HeaderList
}>

/** Everything of one request that its steps need. */
type Exchange = Asked &
  Admitted &
  Readonly<{
    session: Session | null
    seed: number
    /** The first choice made for it, once there is one. */
    choice: { first: Pick | null }
  }>

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
  const requestId = account.id
  const snapshot = ports.holder.current
  if (snapshot === null) return { code: 'not_ready' }
  const principal = identify(ports, snapshot, request)
  if (!principal.ok) return principal.error
  account.calledBy(principal.value, snapshot.commit, call.endpoint)
  const refusal = endpointRefusal(principal.value, call.endpoint)
  if (refusal !== null) return refusal
  const body = await readBody(request, ports.bodyLimit)
  if (!body.ok) return body.error
  const { headers } = request
  const inquiry = call.read({
    body: body.value,
    headers,
    requestId,
    strict: headers[names.STRICT] === 'true',
    countStreams: ports.countStreams,
    now: ports.clock.now(),
    sealer: ports.sealer,
    notes: ports.notes,
    keyId: principal.value.keyId,
  })
  if (!inquiry.ok) return inquiry.error
  account.askedFor(inquiry.value.model, inquiry.value.stream)
  const found =
    inquiry.value.owner === null
      ? withoutOwner(routeByName(snapshot, inquiry.value.model))
      : await routeToOwner(ports.notes, snapshot, principal.value, inquiry.value)
  const allowed = withinScope(principal.value, inquiry.value.model, found)
  if (!allowed.ok) return allowed.error
  const { route, owned } = allowed.value
  const deployments = route.candidates.map(({ deployment }) => deployment)
  const local = inquiry.value.answerLocally?.(deployments) ?? null
  if (local !== null) return tellLocally(reply, snapshot, local)
  const { model, stream } = inquiry.value
  const said = { requestId, principal: principal.value, headers, body: body.value, model, stream }
  ports.recorder.watch(reply, { ...said, conversation: call.conversation })
  const about = { reply, requestId, snapshot, principal: principal.value, account }
  const asked = { ...about, inquiry: inquiry.value, route, owned, bytes: body.value.length }
  const paid = ports.budgets.admit({ ...asked, endpoint: call.endpoint, body: body.value, at: account.at })
  // Awaited: a promise that an async function returns as it is costs three turns of the microtask queue.
  return paid === null
    ? await letIn(ports, call, asked, headers)
    : await pay(ports, call, asked, headers, await paid)
}

function identify(
  { authenticator, clock }: InferencePorts,
  snapshot: RoutingSnapshot,
  request: IncomingMessage,
): Result<Principal, Problem> {
  const credential = readCredential(request)
  return credential.ok ? authenticator.authenticate(snapshot, credential.value, clock.now()) : credential
}

/** Serves what its budgets can pay, and tells them what it cost. */
async function pay(
  ports: InferencePorts,
  call: Call,
  asked: Asked,
  headers: IncomingHttpHeaders,
  paid: Admission,
): Promise<Problem | null> {
  if (!paid.ok) return paid.error
  const { route, leases, settle } = paid.value
  asked.account.paidBy(leases)
  try {
    return await letIn(ports, call, { ...asked, route }, headers)
  } finally {
    settle(asked.account.used)
  }
}

function letIn(
  ports: InferencePorts,
  call: Call,
  asked: Asked,
  headers: IncomingHttpHeaders,
): Promise<Problem | null> {
  const admission = ports.limiter.admit({ id: asked.requestId, ...asked })
  return admission === null
    ? proceed(ports, { ...asked, permit: null, limits: [] }, headers)
    : admission.then((limited) => enter(ports, call.tongue, asked, headers, limited))
}

/** Serves what was let in and counts what it cost; tells what was not when to come back. */
async function enter(
  ports: InferencePorts,
  tongue: Tongue,
  asked: Asked,
  headers: IncomingHttpHeaders,
  admission: Result<Permit, Limited>,
): Promise<Problem | null> {
  const { reply, snapshot, inquiry } = asked
  const { levels } = admission.ok ? admission.value : admission.error
  const limits = tongue.limitHeaders(levels, ports.clock.now())
  if (!admission.ok) {
    reply.fail(admission.error.problem, [names.COMMIT, String(snapshot.commit), ...limits])
    return null
  }
  const permit = admission.value
  let isServed = false
  try {
    const problem = await proceed(ports, { ...asked, permit, limits }, headers)
    isServed = problem === null && reply.status < 400
    return problem
  } finally {
    if (!isServed) permit.onUsage(0, 0) // a refusal costs nothing
    permit.end(reply.bytes, inquiry.stream)
  }
}

async function proceed(
  ports: InferencePorts,
  asked: Asked & Admitted,
  headers: IncomingHttpHeaders,
): Promise<Problem | null> {
  const { inquiry, route, principal, owned, account } = asked
  const recalled = inquiry.recall(route.candidates.map(({ deployment }) => deployment))
  if (recalled !== null) await recalled
  const named = sessionId(headers)
  const scope = { key: principal.keyId, model: route.model }
  const seed = ports.seed()
  const name = named === null ? null : sessionName(principal.keyId, named)
  account.routed(route.model, name, seed)
  const session =
    named === null || name === null || owned !== null
      ? owned
      : await findSession(ports.sessions, { ...scope, session: named }, name)
  return await run(ports, { ...asked, session, seed, choice: { first: null } })
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

/** Bytes of a request body for a thousand tokens, about; nobody counts them ahead. */
const BYTES_PER_KILOTOKEN = 4_000
/** Images travel in the body, too, and cost no time by the byte. */
const LARGEST_SIZE = 100

async function run(ports: InferencePorts, exchange: Exchange): Promise<Problem | null> {
  const { reply, inquiry, route, session, seed, bytes, choice, permit, account } = exchange
  let streamFirstMs: number | null = null
  const preference = session === null ? null : preferenceOf(session)
  account.choosing(route.strategy, preference, exchange.snapshot)
  reply.expect(inquiry.stream, (head) => answerHeaders(ports, exchange, head))
  const result = await runPlan(ports, {
    candidates: route.candidates,
    taste: route.strategy,
    region: route.region,
    session: preference,
    credential: session?.binding?.credential ?? null,
    ask: {
      mode: inquiry.stream ? 'sse' : 'json',
      size: Math.min(LARGEST_SIZE, bytes / BYTES_PER_KILOTOKEN),
    },
    dice: diceOf(seed),
    stream: inquiry.stream,
    prepare: (deployment) => inquiry.prepare(deployment),
    dropState: () => inquiry.dropState(),
    timeoutMs: ports.requestTimeoutMs,
    client: reply,
    onPick: (pick, { now, drawn }) => {
      choice.first ??= pick
      account.picked(pick, drawn, ports.health.table(now))
    },
    onBegin: (begun) => {
      const intent = account.intend(begun)
      if (intent !== null) ports.onIntent(intent)
    },
    onSend: ports.onSend,
    onFirst: (lane, firstMs, slowness) => {
      streamFirstMs = firstMs
      ports.onFirst(lane, firstMs, slowness)
    },
    onAttempt: (record) => {
      account.attempted(record, streamFirstMs)
      ports.onAttempt(record, inquiry.stream)
      if (record.spent === null) return
      permit?.onUsage(record.spent.tokens.input, record.spent.tokens.output)
    },
  })
  if (isWorthALine(result)) logFailure(ports.logger, exchange, result)
  return tell(reply, exchange, result)
}

function answerHeaders(
  ports: InferencePorts,
  exchange: Exchange,
  { deployment, lane, attempt, warnings }: AnswerHead,
): string[] {
  const { snapshot, session, choice, limits, inquiry } = exchange
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
    ...limits,
  ]
  if (warnings.length > 0) headers.push(names.WARNINGS, warningsHeader(warnings))
  if (session !== null) {
    const answered = { deployment: deployment.id, credential: lane.credential, attempt }
    const word = session.isRequired ? 'kept' : settleSession(ports.sessions, session, choice.first, answered)
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

function logFailure(logger: Logger, exchange: Exchange, result: PlanResult): void {
  const { requestId, principal, inquiry, snapshot, seed } = exchange
  const failures =
    result.kind === 'exhausted'
      ? result.failures.map(({ outcome, status }) => ({ outcome, status }))
      : 'failure' in result && result.failure !== null
        ? [{ outcome: result.failure.outcome, status: result.failure.status }]
        : []
  const fields = {
    requestId,
    key: principal.keyId,
    model: shortened(inquiry.model),
    commit: snapshot.commit,
    seed,
    failures,
  }
  logger.warn({ ...fields, attempts: result.attempts, result: result.kind }, 'request not answered')
}
