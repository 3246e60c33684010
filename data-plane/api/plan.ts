/**
 * One request under way, and its plan: what its choices are made from, and who is told what comes of them.
 */
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { CredentialId } from '#contracts/ids.ts'
import type { Result } from '#contracts/result.ts'
import { diceOf, type Dice } from '#contracts/routing/dice.ts'
import type { Pick } from '#contracts/routing/pick.ts'
import type { Preference } from '#contracts/routing/session.ts'
import type { CompiledStrategy } from '#contracts/routing/strategies.ts'
import type { Permit } from '../admission/limiter.ts'
import type { RequestHeaders } from '../http/request-headers.ts'
import type { Candidate, Deployment, Lane, Principal, Route, RoutingSnapshot } from '../routing/snapshot.ts'
import type { Prepared } from '../upstream/attempt.ts'
import type { Failure } from '../upstream/classify.ts'
import type { AttemptRecord, BegunAttempt, PickMoment, PlanInput } from '../upstream/failover.ts'
import type { Ask, Health } from '../upstream/health/health.ts'
import type { Account, RequestEntry } from '../usage/account.ts'
import type { Conversation, Inquiry, Tongue } from './inquiry.ts'
import type { HeaderList, Reply } from './reply.ts'
import { preferenceOf, type Session } from './session.ts'

/**
 * Everything of one request that its steps need, once it is known what it asks for. Made once, never copied: budgets,
 * limiter and recorder are given it as it is, and find what they ask for under their own names.
 */
export type Exchange = Readonly<{
  id: string
  /** When it arrived, in epoch milliseconds. */
  at: number
  reply: Reply
  account: Account
  tongue: Tongue
  endpoint: ClientEndpoint
  conversation: Conversation | undefined
  snapshot: RoutingSnapshot
  principal: Principal
  headers: RequestHeaders
  body: Buffer
  /** Length of the body. */
  bytes: number
  inquiry: Inquiry
  model: string
  stream: boolean
}> & {
  /** A budget may leave out some of its candidates. */
  route: Route
  /** Where it has to go, because state of it is kept there, or where it was; null: it is in none. */
  session: Session | null
  /** Null: nothing limits it. */
  permit: Permit | null
  /** Where its limits stand, as headers. */
  limits: HeaderList
  /** The first choice made for it, once there is one. */
  first: Pick | null
}

export type PlanPorts = Readonly<{
  health: Health
  /** From the request's arrival until its answer must have begun, in milliseconds. */
  requestTimeoutMs: number
  /** The counters of attempts: outcomes by credential, first and total times. */
  onFirst: (lane: Lane, firstMs: number, slowness: number | null) => void
  onAttempt: (record: AttemptRecord, stream: boolean) => void
  /** Told before a request is sent anywhere: what is to be recorded if this process dies then. */
  onIntent: (intent: RequestEntry) => void
  /** Told right before it is sent: returns when its intent is written. */
  onSend: () => void
}>

/** Bytes of a request body for a thousand tokens, about; nobody counts them ahead. */
const BYTES_PER_KILOTOKEN = 4_000
/** Images travel in the body, too, and cost no time by the byte. */
const LARGEST_SIZE = 100

export class Plan implements PlanInput {
  readonly candidates: readonly Candidate[]
  readonly taste: CompiledStrategy
  readonly region: string | null
  readonly session: Preference | null
  readonly credential: CredentialId | null
  readonly ask: Ask
  readonly dice: Dice
  readonly stream: boolean
  readonly timeoutMs: number
  readonly client: Reply
  readonly onSend: () => void
  /** 32 bits: its dice follow from them. */
  readonly seed: number
  readonly #ports: PlanPorts
  readonly #exchange: Exchange
  #streamFirstMs: number | null = null

  constructor(ports: PlanPorts, exchange: Exchange, seed: number) {
    const { route, session, stream, bytes } = exchange
    this.candidates = route.candidates
    this.taste = route.strategy
    this.region = route.region
    this.session = session === null ? null : preferenceOf(session)
    this.credential = session?.binding?.credential ?? null
    this.ask = { mode: stream ? 'sse' : 'json', size: Math.min(LARGEST_SIZE, bytes / BYTES_PER_KILOTOKEN) }
    this.dice = diceOf(seed)
    this.seed = seed
    this.stream = stream
    this.timeoutMs = ports.requestTimeoutMs
    this.client = exchange.reply
    this.onSend = ports.onSend
    this.#ports = ports
    this.#exchange = exchange
  }

  prepare(deployment: Deployment): Result<Prepared, Failure> {
    return this.#exchange.inquiry.prepare(deployment)
  }

  dropState(): boolean {
    return this.#exchange.inquiry.dropState()
  }

  onPick(pick: Pick, { now, drawn }: PickMoment): void {
    this.#exchange.first ??= pick
    this.#exchange.account.picked(pick, drawn, this.#ports.health.table(now))
  }

  onBegin(begun: BegunAttempt): void {
    const intent = this.#exchange.account.intend(begun)
    if (intent !== null) this.#ports.onIntent(intent)
  }

  onFirst(lane: Lane, firstMs: number, slowness: number | null): void {
    this.#streamFirstMs = firstMs
    this.#ports.onFirst(lane, firstMs, slowness)
  }

  onAttempt(record: AttemptRecord): void {
    const { account, permit } = this.#exchange
    account.attempted(record, this.#streamFirstMs)
    this.#ports.onAttempt(record, this.stream)
    if (record.spent === null) return
    permit?.onUsage(record.spent.tokens.input, record.spent.tokens.output)
  }
}
