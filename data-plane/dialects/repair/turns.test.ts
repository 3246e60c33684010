import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Losses } from '../canonical/loss.ts'
import type { Part, ToolCallPart, ToolResultPart, Turn } from '../canonical/request.ts'
import { dropEmpty, mergeRuns, pairResults } from './turns.ts'

const text = (words: string): Part => ({ kind: 'text', text: words })
const call = (id: string): ToolCallPart => ({
  kind: 'tool-call',
  id,
  name: 'look',
  args: '{}',
  isCustom: false,
})
const result = (callId: string, words = `of ${callId}`): ToolResultPart => ({
  kind: 'tool-result',
  callId,
  content: [{ kind: 'text', text: words }],
  isError: false,
  isCustom: false,
})
const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
const assistant = (...parts: Part[]): Turn => ({ role: 'assistant', parts })
const system = (...parts: Part[]): Turn => ({ role: 'system', parts })

function pair(...turns: Turn[]): { turns: readonly Turn[]; lost: string[] } {
  const losses = new Losses()
  return {
    turns: pairResults(turns, losses),
    lost: losses.list.map(({ at, reason }) => `${at}:${reason}`),
  }
}

describe('mergeRuns', () => {
  test('neighbours of one role become one turn', () => {
    expect(mergeRuns([user(text('a')), user(text('b')), assistant(text('c')), user(text('d'))])).toEqual([
      user(text('a'), text('b')),
      assistant(text('c')),
      user(text('d')),
    ])
  })

  test('a name survives only where both turns have it', () => {
    const named = (name: string): Turn => ({ role: 'user', parts: [text('a')], name })
    expect(mergeRuns([named('ann'), named('ann')])[0]?.name).toBe('ann')
    expect(mergeRuns([named('ann'), named('bob')])[0]).not.toHaveProperty('name')
  })
})

describe('dropEmpty', () => {
  test('empty texts go, with the turns that held nothing else', () => {
    expect(dropEmpty([user(text('')), assistant(text(''), call('a')), user(text('b'))])).toEqual([
      assistant(call('a')),
      user(text('b')),
    ])
  })

  test('an empty text that carries state stays', () => {
    const signed: Part = {
      kind: 'text',
      text: '',
      carrier: { dialect: 'gemini', provider: null, data: 'x', form: 'thought', of: 'own' },
    }
    expect(dropEmpty([assistant(signed)])).toEqual([assistant(signed)])
  })

  test('a result with an empty text stays as a result without content', () => {
    expect(dropEmpty([user(result('a', ''))])).toEqual([user({ ...result('a'), content: [] })])
  })
})

describe('pairResults', () => {
  test('results of one turn that came in several turns come first, in one, in the order of the calls', () => {
    const { turns, lost } = pair(
      assistant(call('a'), call('b')),
      user(text('wait'), result('b')),
      user(result('a')),
    )
    expect(mergeRuns(turns)).toEqual([
      assistant(call('a'), call('b')),
      user(result('a'), result('b'), text('wait')),
    ])
    expect(lost).toEqual([])
  })

  test('calls of neighbouring assistant turns are answered together', () => {
    const { turns } = pair(assistant(call('a')), assistant(call('b')), user(result('a'), result('b')))
    expect(turns).toEqual([assistant(call('a')), assistant(call('b')), user(result('a'), result('b'))])
  })

  test('a system turn between call and result moves behind the result', () => {
    const { turns } = pair(assistant(call('a')), system(text('be brief')), user(result('a'), text('go on')))
    expect(turns).toEqual([
      assistant(call('a')),
      user(result('a')),
      system(text('be brief')),
      user(text('go on')),
    ])
  })

  test('a call without a result gets an error for one, and it is told', () => {
    const { turns, lost } = pair(assistant(call('a'), call('b')), user(result('b')))
    expect(turns[1]?.parts).toEqual([
      { ...result('a', 'no result'), name: 'look', isError: true },
      result('b'),
    ])
    expect(lost).toEqual(['turns[0].parts[0]:synthesised'])
  })

  test('a call at the very end is answered as well', () => {
    expect(pair(user(text('hi')), assistant(call('a'))).turns).toHaveLength(3)
  })

  test.each([
    ['that nobody called for', [user(result('a'), text('hi'))], 'turns[0].parts[0]:dropped'],
    ['before its call', [user(result('a')), assistant(call('a'))], 'turns[0].parts[0]:dropped'],
    [
      'that is a second one',
      [assistant(call('a')), user(result('a'), result('a', 'again'))],
      'turns[1].parts[1]:dropped',
    ],
  ])('a result %s is dropped, and it is told', (_name, turns, loss) => {
    expect(pair(...turns).lost).toContain(loss)
  })

  test('an id used anew in a later turn means the later call', () => {
    const { turns, lost } = pair(
      assistant(call('0')),
      user(text('never mind')),
      assistant(call('0')),
      user(result('0', 'second')),
    )
    expect(turns[1]?.parts[0]).toMatchObject({ isError: true })
    expect(turns[3]?.parts[0]).toEqual(result('0', 'second'))
    expect(lost).toEqual(['turns[0].parts[0]:synthesised'])
  })

  const part = fc.oneof(
    fc.constantFrom('a', 'b', 'c').map((words) => text(words)),
    fc.constantFrom('1', '2').map((id): Part => call(id)),
    fc.constantFrom('1', '2').map((id): Part => result(id)),
  )
  const anyTurns = fc.array(
    fc.record({
      role: fc.constantFrom('user' as const, 'assistant' as const, 'system' as const),
      parts: fc.array(part, { maxLength: 4 }),
    }),
    { maxLength: 6 },
  )

  test('whatever came, every run of calls is followed by exactly its results, and no text is lost', () => {
    fc.assert(
      fc.property(anyTurns, (given) => {
        const merged = mergeRuns(pair(...given).turns)
        merged.forEach((turn, index) => {
          const results = turn.parts.filter((one) => one.kind === 'tool-result')
          const before = merged[index - 1]
          const calls =
            before?.role === 'assistant' ? before.parts.filter((one) => one.kind === 'tool-call') : []
          expect(results.map(({ callId }) => callId)).toEqual(calls.map(({ id }) => id))
          expect(turn.parts.slice(0, results.length)).toEqual(results)
          if (turn.role === 'assistant' && turn.parts.some((one) => one.kind === 'tool-call')) {
            expect(merged[index + 1]?.role).toBe('user')
          }
        })
        const texts = (turns: readonly Turn[]) =>
          turns.flatMap(({ parts }) => parts.filter((one) => one.kind === 'text')).length
        expect(texts(merged)).toBe(texts(given))
      }),
    )
  })
})
