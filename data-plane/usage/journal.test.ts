import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { HEAD_END, intentLine, Journal, recordLine, takeRecords } from './journal.ts'

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

test('what is written is in the file as it is, however long it is and whatever characters are in it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'))
  const journal = new Journal(folder)
  journal.load()
  const texts = ['x', '€', '𝒳'].flatMap((character) =>
    [1, 40_000, 43_690, 43_691, 65_536, 131_071, 131_072, 200_000, 2].map((length) =>
      character.repeat(length),
    ),
  )
  for (const text of texts) journal.write([recordLine(text)], 1)
  const [segment] = journal.segments
  const written = readFileSync(join(folder, segment?.name ?? ''))
  expect(segment).toMatchObject({ bytes: written.length, records: texts.length })
  expect(written.equals(Buffer.from(texts.map(recordLine).join('')))).toBe(true)
  rmSync(folder, { recursive: true })
})
