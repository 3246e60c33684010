/**
 * Answers in the Responses format that no provider keeps, because another dialect gave them: kept here for a
 * while, so that a later request may refer to them.
 */
import type { KeyId } from '#contracts/ids.ts'
import {
  arrayOf,
  isObject,
  objectOf,
  parseJson,
  stringOf,
  type JsonObject,
} from '../../dialects/canonical/json.ts'
import {
  keptOf,
  referencesOf,
  withKept,
  type KeptResponse,
} from '../../dialects/openai-responses/kept-items.ts'
import type { Notes } from '../../notes/notes.ts'

/** A conversation goes on within hours; OpenAI's own 30 days are for what it stores. In milliseconds. */
const KEEP_MS = 24 * 3_600_000

const responseKey = (key: KeyId, id: string): string => `kept response\n${key}\n${id}`
const itemKey = (key: KeyId, id: string): string => `kept item\n${key}\n${id}`

/**
 * @param request the body as it was understood, references in it already replaced.
 * @param told the answer's JSON, or the last events of its stream.
 */
export function keepResponse(notes: Notes, key: KeyId, request: JsonObject, told: string): void {
  const response = responseIn(told)
  const kept = response === null || request['store'] === false ? null : keptOf(request, response)
  if (kept === null) return
  notes.keep(responseKey(key, kept.id), JSON.stringify(kept), KEEP_MS)
  for (const item of kept.output) {
    const id = stringOf(item['id'])
    if (id !== undefined) notes.keep(itemKey(key, id), JSON.stringify(item), KEEP_MS)
  }
}

const TERMINAL = /^data: (\{.*"type":"response\.(?:completed|incomplete)".*\})$/m

function responseIn(told: string): JsonObject | null {
  if (told.startsWith('{')) {
    const body = parseJson(told)
    return isObject(body) ? body : null
  }
  const data = TERMINAL.exec(told)?.[1]
  const response = data === undefined ? undefined : objectOf(parseJson(data))['response']
  return isObject(response) ? response : null
}

/** @returns the request with what it refers to put back; null when nothing of it is kept here. */
export async function expanded(notes: Notes, key: KeyId, body: JsonObject): Promise<JsonObject | null> {
  const references = referencesOf(body)
  if (references === null) return null
  const { response, items } = references
  const keys = items.map((id) => itemKey(key, id))
  const [first = null, ...others] = await notes.find([responseKey(key, response ?? ''), ...keys])
  const kept = first === null ? null : responseOf(parseJson(first))
  const found = new Map<string, JsonObject>()
  for (const [at, text] of others.entries()) {
    const item = text === null ? undefined : parseJson(text)
    const id = items[at]
    if (id !== undefined && isObject(item)) found.set(id, item)
  }
  return kept === null && found.size === 0 ? null : withKept(body, kept, found)
}

function responseOf(value: unknown): KeptResponse | null {
  if (!isObject(value)) return null
  const id = stringOf(value['id'])
  if (id === undefined) return null
  return { id, input: arrayOf(value['input']), output: arrayOf(value['output']).filter(isObject) }
}
