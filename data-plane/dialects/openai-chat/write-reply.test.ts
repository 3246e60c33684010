import { describe, expect, test } from 'vitest'
import { answerTarget, ASKED } from '#test/conformance/contexts.ts'
import { arrayOf, objectOf, type JsonObject } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply, Finish } from '../canonical/reply.ts'
import { writeReply } from './write-reply.ts'

const CHAT = { ...ASKED, dialect: 'openai-chat' } as const

describe('a whole answer to a chat client', () => {
  const reply = (
    parts: readonly AnswerPart[],
    finish: Finish = { kind: 'stop' },
    more: Partial<CanonicalReply> = {},
  ): JsonObject =>
    objectOf(
      JSON.parse(
        writeReply(
          {
            dialect: 'anthropic',
            id: 'msg_1',
            model: 'claude',
            created: null,
            candidates: [{ index: 0, parts, finish, logprobs: null }],
            usage: null,
            serviceTier: null,
            ...more,
          },
          answerTarget(CHAT),
        ),
      ),
    )
  const first = (body: JsonObject): JsonObject => objectOf(arrayOf(body['choices'])[0])

  test('has every member that OpenAI’s has', () => {
    expect(reply([{ kind: 'text', text: 'a' }])).toEqual({
      id: 'chatcmpl-id1',
      object: 'chat.completion',
      created: 1_790_000_000,
      model: 'claude',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'a', refusal: null, annotations: [] },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
    })
  })

  test('has null for content beside calls, and an empty one where a filter took it', () => {
    const called = first(
      reply([{ kind: 'tool-call', id: 'a', name: 'f', args: '', isCustom: false }], { kind: 'tool-calls' }),
    )
    expect(called).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: null,
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
    })
    expect(first(reply([], { kind: 'content-filter' }))).toMatchObject({
      finish_reason: 'content_filter',
      message: { content: '' },
    })
  })

  test('tells the model’s refusal apart from a filter’s', () => {
    expect(first(reply([{ kind: 'refusal', text: 'no' }], { kind: 'refusal' }))).toMatchObject({
      finish_reason: 'stop',
      message: { content: null, refusal: 'no' },
    })
    expect(first(reply([], { kind: 'refusal', explanation: 'why' }))).toMatchObject({
      finish_reason: 'content_filter',
      message: { refusal: 'why' },
    })
  })

  test('joins texts, and places citations in the whole', () => {
    const message = objectOf(
      first(
        reply([
          { kind: 'text', text: 'ab' },
          { kind: 'text', text: 'cd', citations: [{ kind: 'url', url: 'u', start: 0, end: 1 }] },
        ]),
      )['message'],
    )
    expect(message['content']).toBe('abcd')
    expect(message['annotations']).toEqual([
      { type: 'url_citation', url_citation: { url: 'u', title: '', start_index: 2, end_index: 3 } },
    ])
  })

  test('keeps OpenAI’s id, time, tier and usage', () => {
    const body = reply(
      [{ kind: 'text', text: 'a' }],
      { kind: 'stop' },
      { dialect: 'openai-chat', id: 'chatcmpl-x', created: 5, serviceTier: 'flex' },
    )
    expect(body).toMatchObject({ id: 'chatcmpl-x', created: 5, service_tier: 'flex' })
  })
})
