/**
 * Methods of strings at the speed that V8 has for them.
 *
 * The first class anywhere in a process that extends `String` makes V8 turn `String.prototype` into a dictionary:
 * it takes it for an object that is still being set up. From then on compiled code asks for `indexOf`, `charCodeAt`
 * and the like anew, at every call, where it had them built in. Nothing turns it back by itself, as V8 looks after
 * prototypes of objects alone and strings are none (decision 18).
 */

/** V8 takes notes of what code meets only once it has run some times: ten, when this was measured. */
const LOADS = 1_000

const methodOf = (text: object & { trim?: unknown }): unknown => text.trim

/** Has an object read a method of strings: its prototype is then made fast, and marked to stay so. */
export function keepStringsFast(): void {
  const text: object = Object('')
  for (let load = 0; load < LOADS; load++) methodOf(text)
}
