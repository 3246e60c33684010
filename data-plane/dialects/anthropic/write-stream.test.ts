import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Problem } from '#contracts/errors.ts'
import { blankRequest, openSealer } from '#test/arbitraries/canonical.ts'
import { assembled, defectsOf } from '#test/conformance/anthropic-stream.ts'
import type { Usage } from '../canonical/reply.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import type { AnswerTarget } from '../dialect.ts'
import { openWriter } from './write-stream.ts'

const client: AnswerTarget = {
  request: blankRequest('anthropic'),
  newId: () => 'new',
  now: 1_790_000_000,
  sealer: openSealer,
  requestId: 'req_1',
}

function write(events: readonly StreamEvent[], target = client): string {
  const writer = openWriter(target)
  return events.map((event) => writer.write(event)).join('') + writer.end()
}

const begin: StreamEvent = { kind: 'start', id: 'chatcmpl-1', model: 'gpt', serviceTier: null, usage: null }
const call = (index: number): StreamEvent => ({
  kind: 'part-start',
  index,
  candidate: 0,
  part: { kind: 'tool-call', id: `call_${index}`, name: 'look', isCustom: false },
})
const textPart = (index: number, candidate = 0): StreamEvent => ({
  kind: 'part-start',
  index,
  candidate,
  part: { kind: 'text' },
})
const args = (index: number, text: string): StreamEvent => ({ kind: 'args', index, text })
const ended = (index: number): StreamEvent => ({ kind: 'part-end', index })
const done = (kind: 'stop' | 'tool-calls' | 'length' = 'stop'): StreamEvent => ({
  kind: 'finish',
  candidate: 0,
  finish: { kind },
})
const spent: Usage = {
  input: 10,
  output: 4,
  cacheRead: 3,
  cacheWrite: 2,
  cacheWriteLong: 0,
  reasoning: 1,
  inputAudio: 0,
  outputAudio: 0,
  native: {},
}

const contentOf = (stream: string): unknown => assembled(stream)['content']

describe('a writer', () => {
  test('puts one call after the other, however they came', () => {
    const stream = write([
      begin,
      call(0),
      args(0, '{"a"'),
      call(1),
      args(1, '{"b"'),
      args(0, ':1}'),
      ended(0),
      args(1, ':2}'),
      call(2),
      ended(2),
      ended(1),
      done(),
    ])
    expect(defectsOf(stream)).toEqual([])
    expect(contentOf(stream)).toMatchObject([
      { id: 'call_0', input: { a: 1 } },
      { id: 'call_1', input: { b: 2 } },
      { id: 'call_2', input: {} },
    ])
    expect(assembled(stream)['stop_reason']).toBe('tool_use')
  })

  test('keeps every order of events of open parts apart', () => {
    const shuffled = fc.array(fc.constantFrom(0, 1, 2), { maxLength: 30 })
    fc.assert(
      fc.property(shuffled, (turns) => {
        const told = ['', '', '']
        const events = turns.map((index, position): StreamEvent => {
          told[index] += `${position},`
          return { kind: 'text', index, text: `${position},` }
        })
        const stream = write([
          begin,
          textPart(0),
          textPart(1),
          textPart(2),
          ...events,
          ended(2),
          ended(0),
          ended(1),
          done(),
        ])
        expect(defectsOf(stream)).toEqual([])
        expect(contentOf(stream)).toEqual(
          told.filter(Boolean).map((text) => ({ type: 'text', text, citations: null })),
        )
      }),
    )
  })

  test('tells input and cache again at the end, without what the cache gave', () => {
    const stream = write([begin, textPart(0), ended(0), done(), { kind: 'usage', usage: spent }])
    expect(assembled(stream)['usage']).toMatchObject({
      input_tokens: 5,
      cache_read_input_tokens: 3,
      cache_creation_input_tokens: 2,
      output_tokens: 4,
      output_tokens_details: { thinking_tokens: 1 },
    })
  })

  test('makes an id of its own kind', () => {
    expect(assembled(write([begin, done()]))['id']).toBe('msg_new')
    expect(assembled(write([{ ...begin, id: 'msg_theirs' }, done()]))['id']).toBe('msg_theirs')
  })

  test('ends with an error where the answer has no end', () => {
    const stream = write([begin, textPart(0), { kind: 'text', index: 0, text: 'half' }])
    expect(stream.endsWith('\n\n')).toBe(true)
    expect(stream).toContain('event: error\ndata: {"type":"error"')
    expect(stream).not.toContain('message_stop')
  })

  test('closes parts that were left open', () => {
    const stream = write([begin, call(0), args(0, '{"a":1'), call(1), args(1, '{}'), done('length')])
    expect(defectsOf(stream)).toEqual([])
    expect(contentOf(stream)).toMatchObject([{ id: 'call_0' }, { id: 'call_1' }])
    expect(assembled(stream)['stop_reason']).toBe('max_tokens')
  })

  test('says nothing after an error', () => {
    const writer = openWriter(client)
    const problem: Problem = { code: 'upstream_overloaded', message: 'Busy.' }
    expect(writer.write(begin)).toContain('message_start')
    const told = writer.fail(problem)
    expect(told).toBe(
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy."},"request_id":"req_1"}\n\n',
    )
    expect(writer.write(textPart(0)) + writer.end() + writer.fail(problem)).toBe('')
  })

  test('leaves out other candidates and blocks of other vendors', () => {
    const native = { kind: 'native', dialect: 'gemini', type: 'executableCode', value: {} } as const
    const stream = write([
      begin,
      textPart(0, 1),
      { kind: 'text', index: 0, text: 'other' },
      { kind: 'part-start', index: 1, candidate: 0, part: native },
      ended(0),
      ended(1),
      { kind: 'finish', candidate: 1, finish: { kind: 'length' } },
      done(),
    ])
    expect(contentOf(stream)).toEqual([])
    expect(defectsOf(stream)).toEqual([])
    expect(assembled(stream)['stop_reason']).toBe('end_turn')
  })

  test('holds back what can never be arguments', () => {
    const stream = write([begin, call(0), args(0, '{"a": '), args(0, "'x'}"), args(0, '}'), ended(0), done()])
    expect(defectsOf(stream)).toEqual([])
  })

  test.each([['fre', 'e "text"\n'], ['\ud83c', '\udf89'], []])('wraps the free text %j %j', (...pieces) => {
    const custom: StreamEvent = {
      kind: 'part-start',
      index: 0,
      candidate: 0,
      part: { kind: 'tool-call', id: 'call_0', name: 'patch', isCustom: true },
    }
    const stream = write([begin, custom, ...pieces.map((piece) => args(0, piece)), ended(0), done()])
    expect(defectsOf(stream)).toEqual([])
    expect(contentOf(stream)).toMatchObject([{ name: 'patch', input: { input: pieces.join('') } }])
  })

  test('says a refusal as text, and why it ended', () => {
    const stream = write([
      begin,
      { kind: 'part-start', index: 0, candidate: 0, part: { kind: 'refusal' } },
      { kind: 'refusal', index: 0, text: 'No.' },
      ended(0),
      done(),
    ])
    expect(assembled(stream)).toMatchObject({
      content: [{ type: 'text', text: 'No.' }],
      stop_reason: 'refusal',
    })
  })

  test('cites what the stretch of text says', () => {
    const stream = write([
      begin,
      textPart(0),
      { kind: 'text', index: 0, text: 'The sky is blue.' },
      {
        kind: 'citation',
        index: 0,
        citation: { kind: 'url', url: 'https://a', title: 't', start: 4, end: 7 },
      },
      ended(0),
      done(),
    ])
    expect(defectsOf(stream)).toEqual([])
    expect(contentOf(stream)).toMatchObject([
      {
        citations: [{ type: 'web_search_result_location', url: 'https://a', title: 't', cited_text: 'sky' }],
      },
    ])
  })

  test('shows thoughts only to who wants them, and their state always', () => {
    const carrier = {
      dialect: 'openai-responses',
      provider: 'openai',
      data: 'enc',
      form: 'encrypted',
      of: 'own',
    } as const
    const events: StreamEvent[] = [
      begin,
      { kind: 'part-start', index: 0, candidate: 0, part: { kind: 'reasoning', isSummary: true } },
      { kind: 'reasoning', index: 0, text: 'hm' },
      { kind: 'carrier', index: 0, carrier },
      ended(0),
      done(),
    ]
    expect(contentOf(write(events))).toEqual([
      { type: 'thinking', thinking: 'hm', signature: openSealer.seal(carrier) },
    ])
    const request = { ...client.request, telling: { ...client.request.telling, reasoning: false } }
    const hidden = write(events, { ...client, request })
    expect(defectsOf(hidden)).toEqual([])
    expect(contentOf(hidden)).toEqual([{ type: 'redacted_thinking', data: openSealer.seal(carrier) }])
  })

  test('writes whole frames, each with its name', () => {
    const writer = openWriter(client)
    const events: StreamEvent[] = [
      begin,
      { kind: 'ping' },
      textPart(0),
      { kind: 'text', index: 0, text: 'a\n\nb' },
      ended(0),
      done(),
    ]
    for (const event of events) {
      const frames = writer.write(event)
      if (frames !== '') expect(frames).toMatch(/^(event: \w+\ndata: .+\n\n)+$/)
    }
    expect(writer.end()).toMatch(/^(event: \w+\ndata: .+\n\n)+$/)
  })
})
