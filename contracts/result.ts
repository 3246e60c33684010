/**
 * The answer of a function that may refuse. Refusals are data; only bugs are thrown.
 *
 * Pure.
 */
export type Ok<Value> = Readonly<{ ok: true; value: Value }>
export type Err<Problem> = Readonly<{ ok: false; error: Problem }>
export type Result<Value, Problem> = Ok<Value> | Err<Problem>

export const ok = <Value>(value: Value): Ok<Value> => ({ ok: true, value })
export const err = <Problem>(error: Problem): Err<Problem> => ({ ok: false, error })
