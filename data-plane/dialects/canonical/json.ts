/**
 * JSON values as the converters handle them.
 *
 * Pure. Bodies of other dialects are parsed, bodies of the same dialect are not; see `dialect.ts`.
 */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export type JsonObject = { readonly [key: string]: JsonValue | undefined }

/** A JSON value as text, carried through as it was written: tool arguments, above all. */
export type RawJson = string

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const isArray = (value: unknown): value is readonly JsonValue[] => Array.isArray(value)

/** @returns an object for anything that is one, an empty one otherwise: for reading what may be missing. */
export const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : {})
export const arrayOf = (value: unknown): readonly JsonValue[] => (isArray(value) ? value : [])
export const stringOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined
export const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined
export const booleanOf = (value: unknown): boolean | undefined =>
  typeof value === 'boolean' ? value : undefined

/** @returns undefined for text that is not JSON. */
export function parseJson(text: string): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}
