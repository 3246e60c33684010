/**
 * Which deployments to ask now, and why.
 *
 * Pure; time in monotonic milliseconds and dice are arguments. Traffic first: what clients show for free is
 * not asked. A probe costs some twenty tokens, so each deployment has an allowance.
 */
import type { ProviderKind, ProviderProbe } from '#contracts/catalog/provider.ts'
import type { Secret } from '#contracts/security/secret.ts'
import type { Health } from '../judgement/damp.ts'
import { clamp } from '../judgement/estimate.ts'
import { usualMs, usualProbeMs, type Window } from '../judgement/window.ts'

/** One deployment as far as the prober needs to know it. */
export type RosterEntry = Readonly<{
  provider: string
  /** Upstream model. */
  model: string
  kind: ProviderKind
  baseUrl: string
  allowPrivate: boolean
  /** Operator weight. 0 takes nothing and is not asked. */
  weight: number
  /** Public names it serves: deployments that share one can stand in for each other. */
  routes: readonly string[]
  probe: Readonly<ProviderProbe>
  /** Sent as a bearer token; null: the provider wants none. */
  credential: Secret | null
}>

/** Who is there. Empty while nobody has told us: then weights come from traffic alone. */
export interface Roster {
  list(): readonly RosterEntry[]
}

/** What has been asked of one deployment. */
export type Plan = Readonly<{
  lastAt: number
  /** Stretches the next wait, 0.7 to 1.3, so that probers and deployments do not fall into step. */
  jitter: number
  inFlight: boolean
  /** Probes it may still cost, at `lastAt`. */
  allowance: number
}>

export type ProbeReason = 'suspect' | 'down' | 'degraded' | 'calibrate' | 'idle'

/** A probe to be sent now. */
export type DueProbe = Readonly<{ entry: RosterEntry; why: ProbeReason; timeoutMs: number }>

/** What decides whether a deployment is asked. */
export type Subject = Readonly<{
  plan: Plan
  health: Health
  window: Window
  /** Something says that it does not work: a failure without an answer beside it, silence, an ejection. */
  isSuspect: boolean
}>

const SUSPECT_GAP_MS = 1_000
/** One bad probe is confirmed or taken back at once. */
const CONFIRM_GAP_MS = 200
const TROUBLE_GAP_MS = 3_000
/** Down for longer than this: it will be a while, and is asked less often. */
const LONG_DOWN_MS = 600_000
const LONG_DOWN_GAP_MS = 30_000
/** Below this factor traffic is too thin to show how it does. */
export const THIN_FACTOR = 0.3
/** While well and in use, asked now and then: what a probe usually takes is not seen in traffic. */
const CALIBRATE_GAP_MS = 1_800_000
const FIRST_CALIBRATE_GAP_MS = 60_000
const CALIBRATED_SAMPLES = 3
/** Idle deployments are asked for as long as somebody has used them within this time. */
const IN_USE_MS = 3_600_000
const DAY_MS = 86_400_000
const PROBES_A_DAY = 2_000
/** Of those, at most so many can be saved up for bad times. */
const LARGEST_ALLOWANCE = 500
/** Of a probe, when nothing is known. */
const TIMEOUT_MS = 10_000
/** What usually takes a moment and does not come in this time has failed: silence is the slowest fault to see. */
const LEAST_TIMEOUT_MS = 4_000
const LONGEST_TIMEOUT_MS = 60_000
/** Ten times slower is slow and not silent. */
const TIMEOUT_TIMES = 20
/** Where even a probe takes long. */
const LEAST_TIMEOUT_TIMES = 4

export const newPlan = (now: number, random: () => number): Plan => ({
  // As if asked a moment ago: deployments met together are not asked together.
  lastAt: now - FIRST_CALIBRATE_GAP_MS * random(),
  jitter: jitter(random),
  inFlight: false,
  allowance: LARGEST_ALLOWANCE,
})

/** @returns why to ask now, or null. */
export function whyProbe(subject: Subject, entry: RosterEntry, now: number): ProbeReason | null {
  const { plan, health, window } = subject
  if (!entry.probe.enabled || !(entry.weight > 0) || plan.inFlight) return null
  if (allowanceOf(plan, now) < 1) return null
  const waited = (now - plan.lastAt) / plan.jitter
  if (health.state === 'down') {
    const gap = now - health.since > LONG_DOWN_MS ? LONG_DOWN_GAP_MS : TROUBLE_GAP_MS
    return waited >= gap ? 'down' : null
  }
  if (health.badProbes > 0 && waited >= CONFIRM_GAP_MS) return 'suspect'
  if (subject.isSuspect && waited >= SUSPECT_GAP_MS) return 'suspect'
  if (health.factor < THIN_FACTOR) return waited >= TROUBLE_GAP_MS ? 'degraded' : null
  if (now - window.attempts.at > IN_USE_MS) return null
  const quiet = now - window.lastEvidenceAt
  if (quiet >= entry.probe.intervalMs && waited >= entry.probe.intervalMs) return 'idle'
  const isCalibrated = window.usualProbe.weight >= CALIBRATED_SAMPLES
  const gap = isCalibrated ? CALIBRATE_GAP_MS : FIRST_CALIBRATE_GAP_MS
  return health.state === 'healthy' && waited >= gap ? 'calibrate' : null
}

export const started = (plan: Plan, now: number, random: () => number): Plan => ({
  lastAt: now,
  jitter: jitter(random),
  inFlight: true,
  allowance: allowanceOf(plan, now) - 1,
})

export const ended = (plan: Plan): Plan => ({ ...plan, inFlight: false })

/** How long to wait for the answer: ten seconds, less where a probe is quick and more where everything is slow. */
export function timeoutOf(window: Window): number {
  const usual = usualProbeMs(window) ?? window.usual.sse.line?.t0 ?? null
  const short = usual === null ? TIMEOUT_MS : clamp(TIMEOUT_TIMES * usual, LEAST_TIMEOUT_MS, TIMEOUT_MS)
  const slow = usual ?? usualMs(window, 'json') ?? usualMs(window, 'sse') ?? 0
  return Math.min(LONGEST_TIMEOUT_MS, Math.max(short, LEAST_TIMEOUT_TIMES * slow))
}

export const allowanceOf = (plan: Plan, now: number): number =>
  Math.min(LARGEST_ALLOWANCE, plan.allowance + (Math.max(0, now - plan.lastAt) / DAY_MS) * PROBES_A_DAY)

const jitter = (random: () => number): number => 0.7 + 0.6 * random()
