/**
 * The time a chunk was sent, written into its text: what the load client measures its delay from.
 *
 * Pure but for the clock, which all processes of a machine share (CLOCK_MONOTONIC).
 */

/** Microseconds between the machine's clock and this process's own. */
const ORIGIN = Number(process.hrtime.bigint() / 1_000n) - performance.now() * 1_000

const DIGITS = 16
const PREFIX = 't='

/** In microseconds. */
export const machineTime = (): number => Math.round(ORIGIN + performance.now() * 1_000)

export const markOf = (micros: number): string => `${PREFIX}${String(micros).padStart(DIGITS, '0')} `

/** @returns the time of the first mark in `text` between two positions, in microseconds, or null. */
export function readMark(text: string, from: number, to: number): number | null {
  const at = text.indexOf(PREFIX, from) + PREFIX.length
  if (at < PREFIX.length || at + DIGITS > to) return null
  return Number(text.slice(at, at + DIGITS))
}
