/**
 * Canonical JSON: one text per value, so that a hash of the text is a hash of the value.
 *
 * Pure. Keys are sorted by UTF-16 code units, absent and `undefined` members are dropped, numbers and
 * strings are written as ECMAScript writes them (which is the shortest round-trip form of RFC 8785).
 * The event log stores these texts, never jsonb: jsonb reorders keys, rewrites numbers and rejects
 * strings that JSON allows.
 */
import { err, ok, type Result } from './result.ts'

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/** Deeper values are refused before any recursive reader meets them. */
export const MAX_DEPTH = 32

/** Where and why a value cannot be stored; `path` is written as `targets[0].weight`. */
export type CanonicalProblem = Readonly<{ path: string; reason: string }>

/** @returns the canonical text. The value must have passed `checkCanonical`, or hold only trusted data. */
export function canonical(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonical).join(',')}]`
  const members: string[] = []
  for (const key of Object.keys(value).sort()) {
    const member = value[key]
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonical(member)}`)
  }
  return `{${members.join(',')}}`
}

/** Refuses what Postgres text, JavaScript numbers or a later reader could not carry unchanged. */
export function checkCanonical(value: unknown, path = '', depth = 0): Result<Json, CanonicalProblem> {
  const problem = (reason: string): Result<Json, CanonicalProblem> =>
    err({ path: path === '' ? '(root)' : path, reason })
  if (depth > MAX_DEPTH) return problem(`nested deeper than ${MAX_DEPTH}`)
  if (value === null || typeof value === 'boolean') return ok(value)
  if (typeof value === 'string') return checkText(value) ?? ok(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return problem('not a finite number')
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) return problem('an integer beyond 2^53')
    return ok(value)
  }
  if (typeof value !== 'object') return problem(`${typeof value} has no JSON form`)
  if (Array.isArray(value)) {
    // By index: a hole must be looked at like any other member, and has no JSON form.
    for (let at = 0; at < value.length; at++) {
      const checked = checkCanonical(value[at], `${path}[${at}]`, depth + 1)
      if (!checked.ok) return checked
    }
    return ok(value as Json)
  }
  // A Date or a Map has members to JavaScript only; it would be written as something it is not.
  const kind = Object.getPrototypeOf(value) as unknown
  if (kind !== Object.prototype && kind !== null) return problem('an object of a class has no JSON form')
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue
    const badKey = checkText(key)
    if (badKey !== undefined) return badKey
    const checked = checkCanonical(member, path === '' ? key : `${path}.${key}`, depth + 1)
    if (!checked.ok) return checked
  }
  return ok(value as Json)

  function checkText(text: string): Result<Json, CanonicalProblem> | undefined {
    if (text.includes('\0')) return problem('a NUL character')
    return text.isWellFormed() ? undefined : problem('a lone surrogate')
  }
}

// Array.isArray narrows a readonly array to any[]; this keeps the element type.
function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
