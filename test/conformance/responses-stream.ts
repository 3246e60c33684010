/** A Responses stream as its clients see it: event by event, and as the official SDK rebuilds it. */
import { ResponseStream } from 'openai/lib/responses/ResponseStream'
import { objectOf, parseJson, type JsonObject } from '#data-plane/dialects/canonical/json.ts'
import { eventsOf } from './recordings.ts'

export const payloads = (stream: string): readonly JsonObject[] =>
  eventsOf(stream).map(({ data }) => objectOf(parseJson(data)))

export const typesOf = (stream: string): readonly unknown[] => payloads(stream).map((event) => event['type'])

/** The response that the last event tells. */
export const lastOf = (stream: string): JsonObject => objectOf(payloads(stream).at(-1)?.['response'])

/** As the SDK passes streams between processes: one payload a line. */
export const linesOf = (frames: readonly string[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const frame of frames) controller.enqueue(new TextEncoder().encode(`${frame}\n`))
      controller.close()
    },
  })

/** What the official SDK makes of it. */
export async function rebuilt(stream: string): Promise<JsonObject> {
  const lines = linesOf(eventsOf(stream).map(({ data }) => data))
  const response = await ResponseStream.fromReadableStream(lines).finalResponse()
  return objectOf(parseJson(JSON.stringify(response)))
}
