import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { HEAD_END, intentLine, recordLine, takeRecords } from './journal.ts'

test('of a batch the records are taken in order, whatever intents are between them', () => {
  const text = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 12 })
    .map((given) => `{${given.replaceAll('\n', '')}`)
  const line = fc.record({ text, kind: fc.constantFrom('record', 'intent', 'mark') })
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 20 }), (given) => {
      const lines = given.map((one) =>
        one.kind === 'record'
          ? recordLine(one.text)
          : one.kind === 'intent'
            ? intentLine(one.text)
            : HEAD_END,
      )
      const { bytes, records } = takeRecords(Buffer.from(lines.join('')))
      const wanted = given.filter(({ kind }) => kind === 'record').map((one) => one.text)
      expect(records).toBe(wanted.length)
      expect(bytes).toEqual(Buffer.from(wanted.join('\n')))
    }),
  )
})
