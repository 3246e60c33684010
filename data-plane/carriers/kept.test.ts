import { describe, expect, test } from 'vitest'
import type { Carrier } from '../dialects/canonical/carrier.ts'
import type { CanonicalRequest, ReasoningPart, ToolCallPart, Turn } from '../dialects/canonical/request.ts'
import { callsWithoutState, decodeKept, encodeKept, keptOf, restore, withoutState } from './kept.ts'
import { StatefulParts } from './parts-of-stream.ts'

const state = (data: string): Carrier => ({
  dialect: 'gemini',
  provider: 'g',
  data,
  form: 'thought',
  of: 'own',
})
const call = (id: string, carrier?: Carrier): ToolCallPart => ({
  kind: 'tool-call',
  id,
  name: 'f',
  args: '{}',
  isCustom: false,
  ...(carrier === undefined ? {} : { carrier }),
})
const thought: ReasoningPart = { kind: 'reasoning', text: 'hm', isSummary: false, carrier: state('t') }
const said = (...parts: Turn['parts']): Turn => ({ role: 'assistant', parts })
const request = (...turns: readonly Turn[]): CanonicalRequest => ({
  dialect: 'openai-chat',
  model: 'm',
  stream: false,
  system: [],
  turns,
  tools: [],
  params: {},
  extras: [],
  telling: { usageChunk: false, legacyFunctions: false, framing: 'sse', reasoning: false },
  source: {},
})
const roundTrip = (parts: Parameters<typeof keptOf>[0]): Parameters<typeof restore>[1] =>
  new Map(
    [...keptOf(parts)].flatMap(([id, kept]) => {
      const decoded = decodeKept(encodeKept(kept))
      return decoded === null ? [] : [[id, decoded] as const]
    }),
  )

describe('state of an answer', () => {
  test('comes back to the calls it stood with, when the client dropped it', () => {
    const answered = [thought, call('a', state('s')), call('b')]
    const sent = request({ role: 'user', parts: [] }, said({ kind: 'text', text: 'x' }, call('a'), call('b')))
    expect(callsWithoutState(sent)).toEqual(['a', 'b'])
    expect(restore(sent, roundTrip(answered)).turns[1]?.parts).toEqual([
      thought,
      { kind: 'text', text: 'x' },
      call('a', state('s')),
      call('b'),
    ])
  })

  test('is not looked for where the client sent it back', () => {
    const sent = request(said(thought, call('a')), said(call('b', state('own'))))
    expect(callsWithoutState(sent)).toEqual([])
    expect(restore(sent, roundTrip([call('b', state('kept'))]))).toEqual(sent)
  })

  test('replaces visible reasoning that came back without it', () => {
    const sent = request(said({ kind: 'reasoning', text: 'hm…', isSummary: false }, call('a')))
    expect(restore(sent, roundTrip([thought, call('a')])).turns[0]?.parts).toEqual([thought, call('a')])
  })

  test('is not kept where there is none', () => {
    expect(keptOf([{ kind: 'reasoning', text: 'hm', isSummary: false }, call('a')]).size).toBe(0)
  })

  test('can be left out altogether, and what was said stays', () => {
    const bare = { ...thought, text: '' }
    const sent = request(said(bare, thought, call('a', state('s'))))
    expect(withoutState(sent).turns[0]?.parts).toEqual([
      { kind: 'reasoning', text: 'hm', isSummary: false },
      call('a'),
    ])
  })

  test.each(['', '[]', '{"own":{"dialect":"cobol"}}', '{"reasoning":[{"text":"x"}]}'])(
    'that makes no sense is nothing: %s',
    (text) => {
      expect(decodeKept(text) ?? { reasoning: [], own: null }).toEqual({ reasoning: [], own: null })
    },
  )
})

test('a streamed answer has the same state as a whole one', () => {
  const parts = new StatefulParts()
  parts.take({ kind: 'part-start', index: 0, candidate: 0, part: { kind: 'reasoning', isSummary: false } })
  parts.take({ kind: 'reasoning', index: 0, text: 'h' })
  parts.take({ kind: 'part-start', index: 1, candidate: 0, part: { kind: 'text' } })
  parts.take({
    kind: 'part-start',
    index: 2,
    candidate: 0,
    part: { kind: 'tool-call', id: 'a', name: 'f', isCustom: false },
  })
  parts.take({ kind: 'reasoning', index: 0, text: 'm' })
  parts.take({ kind: 'args', index: 2, text: '{}' })
  parts.take({ kind: 'carrier', index: 0, carrier: state('t') })
  parts.take({ kind: 'carrier', index: 2, carrier: state('s') })
  expect(parts.parts()).toEqual([thought, call('a', state('s'))])
})
