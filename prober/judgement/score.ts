/**
 * How much of its weight a deployment deserves, judged by its errors and its slowness.
 *
 * Pure. Errors are judged beyond the best of its peers and slowness against its own habit: a deployment that
 * is merely slower than others keeps its weight, and a fault common to all moves nothing. The constants were
 * chosen by simulation and are explained in README.md.
 */
import type { Mode } from '#contracts/telemetry/report.ts'
import { ERRORS_FREE, keptShare, SLOW_FREE } from '#contracts/weights/health.ts'
import { clamp, shrunk } from './estimate.ts'
import { latelyOf, usualMs, type Window } from './window.ts'

/** Requests a second that even a bad deployment gets, so that its recovery shows. */
const EXPLORE_RATE = 0.2
const LEAST_FLOOR = 0.003
export const LARGEST_FLOOR = 0.05
/** Samples of zero mixed in, so that the first failure of a quiet deployment is not "100 %". */
const ERRORS_PRIOR = 2
const SLOW_PRIOR = 1
/** Samples from which an error rate is worth comparing others with. */
const SURE_SAMPLES = 5
const BROKEN_BEYOND_BEST = 0.3
const BROKEN_ERRORS = 0.6
const BROKEN_IN_A_ROW = 8

export type Reading = Readonly<{
  /** Mean badness, shrunk: 0 all answered, 1 all failed. */
  errors: number
  /** Times its usual time; 1: as ever. */
  slowness: number
  /** Attempts a second, lately. */
  rate: number
  isSure: boolean
  window: Window
}>

/** What the peers show to be nobody's fault in particular. */
export type Reference = Readonly<{ errors: number; slowness: number }>

export const NO_PEERS: Reference = { errors: 0, slowness: 1 }

export type Score = Readonly<{
  /** In (0, 1]: the factor if it could be had at once. */
  raw: number
  floor: number
  /** So bad that it gets nothing until probes succeed. */
  isBroken: boolean
  /** What is wrong, in words; empty: nothing. */
  trouble: string
  /** What it was judged by. */
  reading: Reading
  reference: Reference
}>

export function read(window: Window, now: number): Reading {
  return {
    errors: shrunk(window.errors, ERRORS_PRIOR, now),
    slowness: Math.exp(shrunk(window.slowness, SLOW_PRIOR, now)),
    rate: latelyOf(window, now),
    isSure: window.errors.count >= SURE_SAMPLES,
    window,
  }
}

/** @param peers deployments that can stand in for each other, the judged one among them. */
export function referenceOf(peers: readonly Reading[]): Reference {
  if (peers.length < 2) return NO_PEERS
  const sure = peers.filter((peer) => peer.isSure)
  const errors = sure.length < 2 ? 0 : Math.min(...sure.map((peer) => peer.errors))
  const fastest = Math.min(...peers.map((peer) => peer.slowness))
  return { errors, slowness: Math.max(1, Math.min(medianSlowness(peers), 1.2 * fastest)) }
}

/** Median by traffic: a deployment hardly used says little about the others. */
function medianSlowness(peers: readonly Reading[]): number {
  const sorted = peers.toSorted((a, b) => a.slowness - b.slowness)
  const half = sorted.reduce((sum, peer) => sum + peer.rate, 0) / 2
  let sum = 0
  return sorted.find((peer) => (sum += peer.rate) >= half)?.slowness ?? 1
}

/** @param fullRate attempts a second the deployment would get with its whole weight. */
export const floorOf = (fullRate: number): number =>
  clamp(EXPLORE_RATE / Math.max(fullRate, EXPLORE_RATE), LEAST_FLOOR, LARGEST_FLOOR)

/** @param hasPeers somebody else can take the traffic; without, nothing is gained by calling it broken. */
export function score(reading: Reading, reference: Reference, floor: number, hasPeers: boolean): Score {
  const errors = Math.max(0, reading.errors - reference.errors)
  const slowness = reading.slowness / reference.slowness
  return {
    raw: keptShare(errors, slowness, floor),
    floor,
    isBroken: hasPeers && errors >= BROKEN_BEYOND_BEST && isFailing(reading.window),
    trouble: [
      ...(errors > ERRORS_FREE
        ? [`error rate ${percent(Math.min(1, reading.errors))} in the last seconds`]
        : []),
      ...(slowness > SLOW_FREE ? [slownessInWords(reading)] : []),
    ].join('; '),
    reading,
    reference,
  }
}

const isFailing = ({ errors, faultsInARow }: Window): boolean =>
  (errors.value >= BROKEN_ERRORS && errors.count >= SURE_SAMPLES) || faultsInARow >= BROKEN_IN_A_ROW

function slownessInWords({ slowness, window }: Reading): string {
  const times = `${slowness < 9.95 ? slowness.toFixed(1) : Math.round(slowness)} times its usual`
  const [habit, what] =
    mostUsed(window) === 'sse' ? (['sse', 'first token'] as const) : (['json', 'answer'] as const)
  const ms = usualMs(window, habit)
  return ms === null ? `${times} time` : `${what} ${times} ${Math.round(ms)} ms`
}

function mostUsed({ usual: { json, sse } }: Window): Mode {
  return sse.line !== null && sse.sums[0] >= json.sums[0] ? 'sse' : 'json'
}

export const percent = (share: number): string =>
  `${share < 0.0995 ? (share * 100).toFixed(1) : Math.round(share * 100)} %`
