/**
 * The count at the end of a chat stream, for a gateway that needs it where its client did not ask.
 *
 * Pure. OpenAI counts a stream only where `stream_options.include_usage` says so, in one event more, ahead of the
 * end, without choices: that event the client is not told.
 */
import { isArray, isObject, objectOf, parseJson } from '../canonical/json.ts'
import { scanTopLevel } from '../json-scan.ts'

const OPTIONS = 'stream_options'
const QUOTED = Buffer.from(`"${OPTIONS}"`)
const WANTED = [OPTIONS]

/** @param body of a chat request. @returns the same, asking for the count; null: it does, or cannot be made to. */
export function askingForUsage(body: Buffer): Buffer | null {
  if (!body.includes(QUOTED)) return inserted(body)
  const spans = scanTopLevel(body, WANTED)
  if (typeof spans === 'string') return null
  const [start = -1, end = -1] = spans
  if (start === -1) return inserted(body)
  const given = parseJson(body.toString('utf8', start, end))
  if (!isObject(given) && given !== null) return null
  if (objectOf(given)['include_usage'] === true) return null
  const options = Buffer.from(JSON.stringify({ ...objectOf(given), include_usage: true }))
  return Buffer.concat([body.subarray(0, start), options, body.subarray(end)])
}

const INSERTED = Buffer.from(`{"${OPTIONS}":{"include_usage":true},`)

/** An object with members: it names a model. */
function inserted(body: Buffer): Buffer {
  return Buffer.concat([INSERTED, body.subarray(body.indexOf(0x7b) + 1)])
}

const EMPTY_LIST = Buffer.from('[]')
const EVENT = /data: ?([^\r\n]*)(?:\r\n\r\n|\n\n|\r\r)/g

/** @param events whole ones. @returns them without the count; null: nothing is left. */
export function withoutCount(events: Buffer): Buffer | null {
  if (!events.includes(EMPTY_LIST)) return events
  const text = events.toString('latin1')
  const kept = text.replaceAll(EVENT, (event, data: string) => (isCount(data) ? '' : event))
  if (kept.length === text.length) return events
  return kept === '' ? null : Buffer.from(kept, 'latin1')
}

/** Azure's filters come in an event without choices, too. */
function isCount(data: string): boolean {
  if (!data.includes('[]') || !data.includes('"usage"')) return false
  const { choices, usage } = objectOf(parseJson(data))
  return isArray(choices) && choices.length === 0 && isObject(usage)
}
