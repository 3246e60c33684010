/**
 * Answers that the gateway wrote and their clients refer to later, put back into the request.
 *
 * Pure. The official service stores answers unless told not to, so some clients (the AI SDK, by default) send
 * back only the ids of items they were given, or of the whole response. Where the upstream speaks another
 * dialect nobody has these but us. Keeping them for a while is the caller's business; what is not kept any
 * more stays a reference, which no other dialect can follow.
 */
import { arrayOf, isArray, isObject, stringOf, type JsonObject, type JsonValue } from '../canonical/json.ts'

/** One answer and what led to it: all that a later request may refer to. */
export type KeptResponse = Readonly<{
  id: string
  /** The conversation it answered, references in it already replaced. */
  input: readonly JsonValue[]
  output: readonly JsonObject[]
}>

/** @param response as it was written: a whole body, or the one in a stream's last event. */
export function keptOf(request: JsonObject, response: JsonObject): KeptResponse | null {
  const id = stringOf(response['id'])
  if (id === undefined) return null
  return { id, input: inputOf(request), output: arrayOf(response['output']).filter(isObject) }
}

const inputOf = ({ input }: JsonObject): readonly JsonValue[] =>
  isArray(input) ? input : typeof input === 'string' ? [{ role: 'user', content: input }] : []

export type References = Readonly<{ response: string | null; items: readonly string[] }>

/** @returns what a request leans on; null for one that says everything itself. */
export function referencesOf(body: JsonObject): References | null {
  const response = stringOf(body['previous_response_id']) ?? null
  const items = inputOf(body).flatMap((item) => referenceIn(item) ?? [])
  return response === null && items.length === 0 ? null : { response, items }
}

/** A reference may leave its type out. */
function referenceIn(item: JsonValue): string | undefined {
  if (!isObject(item)) return undefined
  const { type, role, id } = item
  const isReference =
    type === 'item_reference' || ((type === undefined || type === null) && role === undefined)
  return isReference ? stringOf(id) : undefined
}

/**
 * @param response the one the request continues; null: not kept, and the request still names it.
 * @param items by their ids, as far as they are kept.
 * @returns the request with the conversation said in full. Instructions are not carried on: the service takes
 * those of the newest request only.
 */
export function withKept(
  body: JsonObject,
  response: KeptResponse | null,
  items: ReadonlyMap<string, JsonObject>,
): JsonObject {
  const said = inputOf(body).map((item) => {
    const id = referenceIn(item)
    return (id === undefined ? undefined : items.get(id)) ?? item
  })
  if (response === null) return { ...body, input: said }
  const { previous_response_id: _previous, ...rest } = body
  const before = new Set(response.output.flatMap((item) => stringOf(item['id']) ?? []))
  // Some clients refer to items of the response that they continue as well.
  const after = said.filter((item) => !isObject(item) || !before.has(stringOf(item['id']) ?? ''))
  return { ...rest, input: [...response.input, ...response.output, ...after] }
}
