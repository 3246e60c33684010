/**
 * Arguments that come value by value with their paths (Vertex), put back into one JSON text while they come.
 *
 * Pure. A model writes its arguments from front to back, so a path leaves a container for good; one that
 * comes back cannot be told in JSON text any more and is refused rather than told wrongly.
 */
import { booleanOf, numberOf, stringOf, type JsonObject } from '../canonical/json.ts'

type Key = string | number

type Container = {
  readonly isArray: boolean
  readonly keys: Set<Key>
  /** The member being written. */
  at: Key | undefined
}

export class PartialArgs {
  readonly #containers: Container[] = []
  /** Path of a text that goes on. */
  #open: string | undefined

  /** @returns what the JSON text grows by; null for a path that leads back or nowhere. */
  push(piece: JsonObject): string | null {
    const path = stringOf(piece['jsonPath']) ?? ''
    const goesOn = piece['willContinue'] === true
    if (this.#open !== undefined && this.#open === path) {
      if (!goesOn) this.#open = undefined
      return escaped(stringOf(piece['stringValue']) ?? '') + (goesOn ? '' : '"')
    }
    const closing = this.#open === undefined ? '' : '"'
    this.#open = undefined
    const lead = this.#moveTo(keysOf(path))
    if (lead === null) return null
    const value = numberOf(piece['numberValue']) ?? booleanOf(piece['boolValue'])
    if (value !== undefined) return closing + lead + JSON.stringify(value)
    if ('nullValue' in piece) return `${closing}${lead}null`
    if (goesOn) this.#open = path
    return `${closing}${lead}"${escaped(stringOf(piece['stringValue']) ?? '')}${goesOn ? '' : '"'}`
  }

  /** @returns the rest of the JSON text; all of it together is empty if nothing came. */
  end(): string {
    const text = this.#open === undefined ? '' : '"'
    this.#open = undefined
    return text + this.#closeTo(0)
  }

  /** Closes and opens containers until the last key's value can be written. */
  #moveTo(keys: readonly Key[] | null): string | null {
    if (keys === null) return null
    let text = ''
    if (this.#containers.length === 0) text += this.#enter(false)
    let depth = 0
    while (depth < this.#containers.length - 1 && depth < keys.length - 1) {
      if (this.#containers[depth]?.at !== keys[depth]) break
      depth++
    }
    text += this.#closeTo(depth + 1)
    for (; depth < keys.length; depth++) {
      const key = keys[depth]
      const container = this.#containers.at(-1)
      if (key === undefined || container === undefined || container.keys.has(key)) return null
      if (container.isArray ? key !== container.keys.size : typeof key !== 'string') return null
      text += container.keys.size === 0 ? '' : ','
      text += container.isArray ? '' : `${JSON.stringify(key)}:`
      container.keys.add(key)
      container.at = key
      if (depth < keys.length - 1) text += this.#enter(typeof keys[depth + 1] === 'number')
    }
    return text
  }

  #enter(isArray: boolean): string {
    this.#containers.push({ isArray, keys: new Set(), at: undefined })
    return isArray ? '[' : '{'
  }

  #closeTo(depth: number): string {
    let text = ''
    while (this.#containers.length > depth) text += this.#containers.pop()?.isArray === true ? ']' : '}'
    return text
  }
}

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1)

/** `.name`, `[0]`, `['any name']` or `["any name"]`. */
const STEP = /\.([^.[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y

/** @returns null for what is not a path to a member. */
function keysOf(path: string): readonly Key[] | null {
  if (path[0] !== '$' || path.length === 1) return null
  const keys: Key[] = []
  STEP.lastIndex = 1
  while (STEP.lastIndex < path.length) {
    const step = STEP.exec(path)
    if (step === null) return null
    const [, name, index, single, double] = step
    const quoted = single ?? double
    keys.push(index === undefined ? (name ?? quoted?.replace(/\\(.)/g, '$1') ?? '') : Number(index))
  }
  return keys
}
