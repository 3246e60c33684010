/**
 * The dice of one request: numbers that follow from a seed, so a recorded choice can be made again.
 *
 * Pure. Mulberry32: 32 bits of state, passes the usual tests for sequences of the few draws a request needs.
 */
export type Dice = () => number

const STEP = 0x6d2b79f5

/** @param seed 32 bits. @param drawn numbers that were drawn before. @returns numbers in [0, 1). */
export function diceOf(seed: number, drawn = 0): Dice {
  let state = (seed + Math.imul(drawn, STEP)) | 0
  return () => {
    state = (state + STEP) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
