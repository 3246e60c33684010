import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { asFunction, unwrapText, wrapText } from './custom-tools.ts'

test('a free-form tool becomes a function with one text', () => {
  expect(asFunction({ kind: 'custom', name: 'patch', description: 'Applies a patch.' })).toMatchObject({
    kind: 'function',
    name: 'patch',
    description: 'Applies a patch.',
    parameters: { properties: { input: { type: 'string' } }, required: ['input'] },
  })
})

test('any text comes back as it went in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(unwrapText(wrapText(text))).toBe(text)
    }),
  )
})

test('arguments of another form are left as they are', () => {
  expect(unwrapText('{"input":1}')).toBe('{"input":1}')
  expect(unwrapText('{"input":"half')).toBe('{"input":"half')
})
