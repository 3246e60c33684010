import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Turn } from '../canonical/request.ts'
import { fitCallIds, type CallIdForm } from './call-ids.ts'

const FORMS: readonly CallIdForm[] = [
  { length: 40, form: 'any' },
  { length: 64, form: 'url-safe' },
  { length: 9, form: 'alphanumeric' },
]

const history = (id: string): readonly Turn[] => [
  { role: 'assistant', parts: [{ kind: 'tool-call', id, name: 'look', args: '{}', isCustom: false }] },
  {
    role: 'user',
    parts: [{ kind: 'tool-result', callId: id, content: [], isError: false, isCustom: false }],
  },
]

function idsOf(turns: readonly Turn[]): string[] {
  return turns.flatMap(({ parts }) =>
    parts.flatMap((part) =>
      part.kind === 'tool-call' ? [part.id] : part.kind === 'tool-result' ? [part.callId] : [],
    ),
  )
}

describe('fitCallIds', () => {
  test('ids that fit stay, and so do their turns', () => {
    const turns = history('toolu_01A09q90qw90lq917835lq9')
    expect(fitCallIds(turns, { length: 64, form: 'url-safe' })).toBe(turns)
  })

  test.each([
    ['too long for chat', 'x'.repeat(41), { length: 40, form: 'any' }],
    ['with characters Anthropic refuses', 'functions.look:0', { length: 64, form: 'url-safe' }],
    ['longer than Mistral’s', 'call_123456', { length: 9, form: 'alphanumeric' }],
    ['shorter than Mistral’s', 'call1', { length: 9, form: 'alphanumeric' }],
    ['empty', '', { length: 64, form: 'any' }],
  ] as const)('an id %s is replaced', (_name, id, form) => {
    const [call, result] = idsOf(fitCallIds(history(id), form))
    expect(call).not.toBe(id)
    expect(result).toBe(call)
  })

  test('the replacement fits, is stable, is shared by call and result, and differs for another id', () => {
    fc.assert(
      fc.property(fc.constantFrom(...FORMS), fc.string(), fc.string(), (form, id, other) => {
        const fitted = fitCallIds(history(id), form)
        const [call = '', result] = idsOf(fitted)
        expect(call.length).toBeLessThanOrEqual(form.length)
        expect(result).toBe(call)
        expect(fitCallIds(fitted, form)).toBe(fitted)
        if (id !== other) expect(idsOf(fitCallIds(history(other), form))[0]).not.toBe(call)
      }),
    )
  })
})
