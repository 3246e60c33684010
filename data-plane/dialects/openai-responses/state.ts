/**
 * What ties a Responses request to the one provider that keeps its state.
 *
 * Pure. Works on bytes, because bodies of the same dialect are never parsed. Response, conversation, item,
 * file and prompt ids mean something only where they were made: such a request goes to their owner, or
 * nowhere.
 */
import { backslashesBefore, scanTopLevel, skipSpace, stringEnd } from '../json-scan.ts'
import { skimTopLevel } from '../json-skim.ts'

export type StateId = Readonly<{
  kind: 'response' | 'conversation' | 'prompt' | 'item' | 'file'
  id: string
}>

export type State = Readonly<{
  /** Whoever owns these has to serve the request; in the order of how surely they are known. */
  ids: readonly StateId[]
  /** Runs on after its answer, which is only an id: no other dialect has such a thing. */
  background: boolean
}>

const MEMBERS = ['previous_response_id', 'conversation', 'prompt', 'background']
const ID = ['id']
const RESPONSE = ['response']

/**
 * @returns null for a body without state, which is nearly every one.
 * A body that is not JSON has none: its mistake is told elsewhere.
 */
export function stateOf(body: Buffer): State | null {
  const spans = skimTopLevel(body, MEMBERS)
  if (typeof spans === 'string') return null
  const valueOf = (member: number): Buffer | null => {
    const [start = -1, end = -1] = [spans[member * 2], spans[member * 2 + 1]]
    return start === -1 ? null : body.subarray(start, end)
  }
  const ids: StateId[] = []
  const add = (kind: StateId['kind'], id: string | null): void => {
    if (id !== null && !ids.some((known) => known.kind === kind && known.id === id)) ids.push({ kind, id })
  }
  add('response', textOf(valueOf(0)))
  add('conversation', textOrIdOf(valueOf(1)))
  add('prompt', textOrIdOf(valueOf(2)))
  for (const id of referencesIn(body)) add('item', id)
  for (const key of FILE_KEYS) for (const id of valuesOf(body, key)) add('file', id)
  const background = valueOf(3)?.toString('latin1') === 'true'
  return ids.length === 0 && !background ? null : { ids, background }
}

/** @returns the id of a whole answer; null when it has none that can be read. */
export const responseIdOf = (body: Buffer): string | null => idIn(body)

/** @param data of an event that has a response (`response.created`, …). */
export function responseIdInEvent(data: Buffer): string | null {
  const spans = scanTopLevel(data, RESPONSE)
  if (typeof spans === 'string') return null
  const [start = -1, end = -1] = spans
  return start === -1 ? null : idIn(data.subarray(start, end))
}

function idIn(object: Buffer): string | null {
  const spans = skimTopLevel(object, ID)
  if (typeof spans === 'string') return null
  const [start = -1, end = -1] = spans
  return start === -1 ? null : textOf(object.subarray(start, end))
}

const QUOTE = 0x22
const COLON = 0x3a
const COMMA = 0x2c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b

/** @returns the text of a JSON string; null for anything else. */
function textOf(json: Buffer | null): string | null {
  if (json?.[0] !== QUOTE) return null
  try {
    const value: unknown = JSON.parse(json.toString())
    return typeof value === 'string' && value !== '' ? value : null
  } catch {
    return null
  }
}

/** `"conv_…"` or `{"id": "conv_…"}`. */
const textOrIdOf = (json: Buffer | null): string | null =>
  json?.[0] === OPEN_OBJECT ? idIn(json) : textOf(json)

// Inside the input, where ids stand at any depth. Quotes inside a text are escaped, so a quoted word whose
// first quote is not is a whole string of the body's own.

const ITEM_REFERENCE = Buffer.from('"item_reference"')
const FILE_KEYS = ['"file_id"', '"file_ids"', '"vector_store_ids"'].map((key) => Buffer.from(key))

function* placesOf(body: Buffer, word: Buffer): Generator<number> {
  for (let at = body.indexOf(word); at !== -1; at = body.indexOf(word, at + word.length)) {
    if (backslashesBefore(body, at) === 0) yield at
  }
}

/** References are flat: the nearest braces are theirs. */
function* referencesIn(body: Buffer): Generator<string> {
  for (const at of placesOf(body, ITEM_REFERENCE)) {
    const start = body.lastIndexOf(OPEN_OBJECT, at)
    const end = body.indexOf(CLOSE_OBJECT, at)
    const id = start === -1 || end === -1 ? null : idIn(body.subarray(start, end + 1))
    if (id !== null) yield id
  }
}

/** Strings, also in a list, that stand as the value of a key; as a property of a schema it has another one. */
function* valuesOf(body: Buffer, key: Buffer): Generator<string> {
  for (const at of placesOf(body, key)) {
    const colon = skipSpace(body, at + key.length)
    if (body[colon] !== COLON) continue
    let place = skipSpace(body, colon + 1)
    const isList = body[place] === OPEN_ARRAY
    if (isList) place = skipSpace(body, place + 1)
    while (body[place] === QUOTE) {
      const end = stringEnd(body, null, place)
      const id = end === -1 ? null : textOf(body.subarray(place, end))
      if (id === null) break
      yield id
      place = skipSpace(body, end)
      if (!isList || body[place] !== COMMA) break
      place = skipSpace(body, place + 1)
    }
  }
}
