/**
 * Who is calling, and what a procedure may use. Made once for each call, before anything of it is read.
 */
import { TRPCError } from '@trpc/server'
import type { ContentStore } from '#contracts/content/content.ts'
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import { sameToken, type MasterKey } from '#contracts/security/master-key.ts'
import type { Secret } from '#contracts/security/secret.ts'
import type { Actor, Ledger } from '../commands/ledger.ts'
import type { BudgetDesk } from '../budgets/desk.ts'
import type { Discovery } from '../discovery/discovery.ts'
import type { History } from '../audit/history.ts'
import type { Signer } from '../audit/signer.ts'
import type { Fleet } from '../nodes/fleet.ts'
import type { WeightsView } from '../nodes/weights.ts'
import type { RelayState } from '../relay/relay.ts'
import type { CallRecorder } from '../store/calls.ts'
import type { EventLog } from '../store/event-log.ts'
import type { Past } from '../store/past.ts'
import type { Trail } from '../store/trail.ts'
import type { UsageBooks } from '../store/usage-books.ts'
import type { UsageReport } from '../store/usage-report.ts'
import type { WeightTables } from '../store/weight-tables.ts'

export type AdminPorts = Readonly<{
  ledger: Ledger
  log: EventLog
  trail: Trail
  past: Past
  history: History
  /** Signs what the audit gives away. */
  signer: Signer
  fleet: Fleet
  discovery: Pick<Discovery, 'standing' | 'ask'>
  weights: Pick<WeightsView, 'of' | 'current'>
  /** What it said before. */
  weightTables: WeightTables
  calls: CallRecorder
  usage: UsageReport
  books: UsageBooks
  budgets: Pick<BudgetDesk, 'report'>
  /** Null: this process has no way to where nodes keep contents. */
  contents: ContentStore | null
  masterKey: MasterKey
  clock: Clock
  logger: Logger
  /** Bearer token of the admins. */
  adminToken: Secret
  relay: () => RelayState
  /** Where clients reach the gateway; null: nobody told us. */
  gateway: string | null
}>

/** What the record of a call will say; written while the call runs. */
export type CallNote = {
  /** Has a procedure begun? Then it is the procedure that makes the record. */
  begun: boolean
  /** Is its record written already? Then there is no second one. */
  written: boolean
  detail: string
}

export type AdminContext = Omit<AdminPorts, 'adminToken' | 'ledger' | 'calls'> &
  Readonly<{
    ledger: Pick<Ledger, 'catalog' | 'snapshot' | 'stop' | 'catchUp' | 'execute' | 'digestAt'>
    calls: Pick<CallRecorder, 'record' | 'recordLook' | 'flush' | 'recent' | 'held' | 'dropped'>
    actor: Actor
    note: CallNote
    /** The listener closes: what has no end of its own ends now. */
    closing: AbortSignal
  }>

/** Who holds the one token there is. Roles will bring names. */
const TOKEN_HOLDER: Actor = { kind: 'token', id: 'admin' }
export const UNKNOWN_ACTOR = 'unknown'

const NEVER = new AbortController().signal

export function contextFor(
  ports: AdminPorts,
  actor: Actor = TOKEN_HOLDER,
  closing: AbortSignal = NEVER,
): AdminContext {
  const { adminToken: _, ...known } = ports
  const note = { begun: false, written: false, detail: '' }
  return { ...known, actor, note, closing }
}

/** What is known of a caller before anything is believed. */
export type Arrival = Readonly<{
  /** Names and values in turn, as they came: Node keeps only the first of two credentials elsewhere. */
  rawHeaders: readonly string[]
  remoteAddress: string
  /** Procedures asked for. */
  procedures: readonly string[]
}>

/** Lets the holder of the admin token in; throws `UNAUTHORIZED`, recorded, at everybody else. */
export function admit(
  ports: AdminPorts,
  { rawHeaders, remoteAddress, procedures }: Arrival,
  closing?: AbortSignal,
): AdminContext {
  const credentials = rawHeaders.filter(
    (_, at) => rawHeaders[at - 1]?.toLowerCase() === 'authorization' && at % 2 === 1,
  )
  const given = /^Bearer (\S+)$/i.exec(credentials[0] ?? '')?.[1] ?? ''
  // Compared even when nothing was given: how long it takes must not tell anything.
  const isSame = sameToken(given, ports.adminToken)
  if (isSame && credentials.length === 1) return contextFor(ports, TOKEN_HOLDER, closing)
  const why =
    credentials.length > 1
      ? 'more than one credential'
      : given === ''
        ? 'no bearer token'
        : 'not the admin token'
  for (const procedure of procedures) {
    const detail = `${why}, from ${remoteAddress}`
    ports.calls.record({ actor: UNKNOWN_ACTOR, procedure, outcome: 'denied', detail })
  }
  throw new TRPCError({
    code: 'UNAUTHORIZED',
    message: `${why}: send the admin token as Authorization: Bearer …`,
  })
}
