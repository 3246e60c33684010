/**
 * Recorded chat streams through the repair of compatible hosts, read by OpenAI's own SDK.
 */
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream'
import { describe, expect, test } from 'vitest'
import { openRepair } from '#data-plane/dialects/openai-chat/repair-stream.ts'
import { eventsOf, hasRecordings, recordingsOf } from './recordings.ts'

const streams = recordingsOf('openai-chat').flatMap(({ id, stream }) =>
  stream === null ? [] : [{ id, stream }],
)

/** Tells of an error in the middle, as it should. */
const BROKEN = ['exchanges/openai-chat/pai-openrouter_stream_error']

/** What the SDK's accumulating stream makes of these payloads. */
async function heard(payloads: readonly string[]) {
  const lines = payloads.filter((data) => data !== '[DONE]').map((data) => `${data}\n`)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const line of lines) controller.enqueue(new TextEncoder().encode(line))
      controller.close()
    },
  })
  return await ChatCompletionStream.fromReadableStream(body).finalChatCompletion()
}

describe.runIf(hasRecordings)('a recorded stream, repaired', () => {
  test.each(streams.filter(({ id }) => !BROKEN.includes(id)))(
    '$id is whole for the SDK',
    async ({ stream }) => {
      const repair = openRepair()
      const completion = await heard(eventsOf(stream).map(({ data }) => repair.repair(data)))
      const [choice] = completion.choices
      const said = choice?.message.content ?? ''
      expect(said).not.toContain('[object')
      expect(said.length + (choice?.message.tool_calls?.length ?? 0)).toBeGreaterThan(0)
      for (const call of choice?.message.tool_calls ?? []) {
        expect(call.id).not.toBe('')
        expect(() => void JSON.parse(call.type === 'function' ? call.function.arguments : '{}')).not.toThrow()
      }
    },
  )
})

const QUIRKS: Readonly<Record<string, readonly object[]>> = {
  'no role, index or type': [{ tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{"x":1}' } }] }],
  'calls counted from 1': [
    {
      role: 'assistant',
      tool_calls: [{ index: 1, id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } }],
    },
  ],
  'two calls under one index': [
    {
      role: 'assistant',
      tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } }],
    },
    { tool_calls: [{ index: 0, id: 'b', type: 'function', function: { name: 'g', arguments: '{"x":1}' } }] },
  ],
  'arguments as an object': [{ tool_calls: [{ id: 'a', function: { name: 'f', arguments: { x: 1 } } }] }],
}

describe('a stream with', () => {
  test.each(Object.entries(QUIRKS))('%s is whole for the SDK once repaired', async (_, deltas) => {
    const repair = openRepair()
    const payloads = [...deltas, {}].map((delta, at) => {
      const choice = { index: 0, delta, finish_reason: at < deltas.length ? null : 'stop' }
      return repair.repair(
        JSON.stringify({
          id: 'c',
          object: 'chat.completion.chunk',
          model: 'm',
          created: 1,
          choices: [choice],
        }),
      )
    })
    const [choice] = (await heard(payloads)).choices
    expect(choice?.finish_reason).toBe('tool_calls')
    const names = choice?.message.tool_calls?.map((call) => (call.type === 'function' ? call.function : null))
    expect(names).toEqual(
      deltas.map((_delta, at) => expect.objectContaining({ name: ['f', 'g'][at], arguments: '{"x":1}' })),
    )
  })
})
