/**
 * Claude's answers on their way through another vendor's client and back: what it thought, said and called
 * must reach it again, word for word, or the next turn is refused.
 */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { blankRequest, openSealer, replies } from '#test/arbitraries/canonical.ts'
import { hasRecordings, recordingsOf } from '#test/conformance/recordings.ts'
import { anthropic } from '../anthropic.ts'
import { arrayOf, objectOf, stringOf, type JsonObject, type JsonValue } from '../canonical/json.ts'
import type { CanonicalReply } from '../canonical/reply.ts'
import type { DialectName } from '../canonical/request.ts'
import type { Dialect } from '../dialect.ts'
import { gemini } from '../gemini.ts'
import { openaiChat } from '../openai-chat.ts'
import { openaiResponses } from '../openai-responses.ts'

const CLIENTS: readonly Dialect[] = [openaiChat, openaiResponses, gemini]
const origin = { provider: 'claude', toolNames: new Map<string, string>() }

const GO_ON: JsonValue = { role: 'user', content: 'Go on.' }

/** The next request of a client that keeps all it was told, and answers every call. */
function nextRequest(dialect: DialectName, answer: JsonObject): JsonObject {
  switch (dialect) {
    case 'openai-chat': {
      const message = objectOf(objectOf(arrayOf(answer['choices'])[0])['message'])
      const results = arrayOf(message['tool_calls']).map((call) => ({
        role: 'tool',
        tool_call_id: objectOf(call)['id'] ?? '',
        content: 'done',
      }))
      return { model: 'm', messages: [{ role: 'user', content: 'Hello' }, message, ...results, GO_ON] }
    }
    case 'openai-responses': {
      const output = arrayOf(answer['output'])
      const results = output
        .filter((item) => objectOf(item)['type'] === 'function_call')
        .map((item) => ({
          type: 'function_call_output',
          call_id: objectOf(item)['call_id'] ?? '',
          output: 'done',
        }))
      return {
        model: 'm',
        store: false,
        input: [{ role: 'user', content: 'Hello' }, ...output, ...results, GO_ON],
      }
    }
    default: {
      const content = objectOf(objectOf(arrayOf(answer['candidates'])[0])['content'])
      const calls = arrayOf(content['parts']).flatMap((part) => {
        const call = objectOf(part)['functionCall']
        return call === undefined ? [] : [objectOf(call)]
      })
      const results: JsonValue[] = calls.map(({ id, name }) => ({
        functionResponse: {
          ...(id === undefined ? {} : { id }),
          name: name ?? '',
          response: { output: 'done' },
        },
      }))
      const said = (text: string): JsonValue => ({
        role: 'user',
        parts: [...(text === '' ? results : [{ text }])],
      })
      return {
        contents: [said('Hello'), content, ...(results.length === 0 ? [] : [said('')]), said('Go on.')],
      }
    }
  }
}

function sentBack(client: Dialect, reply: CanonicalReply): JsonValue {
  const answer = JSON.parse(
    client.writeReply(reply, {
      request: blankRequest(client.name),
      newId: () => 'new',
      now: 1_790_000_000,
      sealer: openSealer,
      requestId: 'req_1',
    }),
  ) as JsonObject
  const next = client.readRequest(nextRequest(client.name, answer), {
    model: 'm',
    stream: false,
    headers: {},
    framing: 'sse',
    sealer: openSealer,
  })
  if (!next.ok) throw new Error(JSON.stringify(next.error))
  const written = anthropic.writeRequest(next.value, {
    model: 'claude-opus-5',
    provider: 'claude',
    capabilities: capabilitiesOf('anthropic', 'api.anthropic.com', 'claude-sonnet-4-5', {}),
    stream: false,
  })
  const { messages } = JSON.parse(written.body) as { messages: JsonObject[] }
  return messages.find(({ role }) => role === 'assistant')?.['content'] ?? []
}

/** Blocks as Claude wrote them. A text may have been cut or joined on the way. */
function blocksOf(content: JsonValue | undefined): unknown {
  const blocks = arrayOf(content).flatMap((block) => {
    const { citations: _citations, caller: _caller, ...rest } = objectOf(block)
    return rest['type'] === 'text' && rest['text'] === '' ? [] : [rest]
  })
  return {
    texts: blocks.map((block) => (block['type'] === 'text' ? stringOf(block['text']) : '')).join(''),
    others: blocks.filter(({ type }) => type !== 'text'),
  }
}

const fromClaude = (reply: CanonicalReply): CanonicalReply => {
  const message = JSON.parse(
    anthropic.writeReply(reply, {
      request: blankRequest('anthropic'),
      newId: () => 'new',
      now: 0,
      sealer: openSealer,
      requestId: '',
    }),
  ) as JsonObject
  const read = anthropic.readReply(message, origin)
  if (!read.ok) throw new Error(read.error)
  return read.value
}

const contentOf = (reply: CanonicalReply): JsonValue | undefined =>
  (
    JSON.parse(
      anthropic.writeReply(reply, {
        request: blankRequest('anthropic'),
        newId: () => 'new',
        now: 0,
        sealer: openSealer,
        requestId: '',
      }),
    ) as JsonObject
  )['content']

describe.each(CLIENTS.map((client) => [client.name, client] as const))(
  'through a client of %s',
  (_name, client) => {
    test('any answer of Claude comes back to it', () => {
      fc.assert(
        fc.property(replies('anthropic').map(fromClaude), (reply) => {
          expect(blocksOf(sentBack(client, reply))).toEqual(blocksOf(contentOf(reply)))
        }),
      )
    })

    const recorded = recordingsOf('anthropic').flatMap(({ id, body, status }) => {
      const reply = body === null || status !== 200 ? null : anthropic.readReply(body, origin)
      // Blocks of Anthropic's servers mean nothing to other clients; there is no way back for them.
      return reply?.ok === true &&
        reply.value.candidates[0]?.parts.every(({ kind }) => kind !== 'native') === true
        ? [{ id, reply: reply.value, content: body?.['content'] }]
        : []
    })

    test.runIf(hasRecordings).each(recorded)('$id comes back to it', ({ reply, content }) => {
      expect(blocksOf(sentBack(client, reply))).toEqual(blocksOf(content))
    })
  },
)
