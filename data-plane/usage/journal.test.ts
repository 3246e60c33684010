import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Journal, takeRecords } from './journal.ts'

const recordLine = (record: string): string => `${record}\n`
const intentLine = (intent: string): string => `?${intent}\n`
/** What the first write of a segment ends with. */
const HEAD_END = '?\n'

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
  journal.write([], [])
  for (const text of texts) journal.write(text === 'x' ? [] : [text], [text])
  const [segment] = journal.segments
  const written = readFileSync(join(folder, segment?.name ?? ''))
  expect(segment).toMatchObject({ bytes: written.length, records: texts.length })
  const wanted = texts.map((text) => (text === 'x' ? '' : intentLine(text)) + recordLine(text)).join('')
  expect(written.equals(Buffer.from(HEAD_END + wanted))).toBe(true)
  rmSync(folder, { recursive: true })
})

test('a first write is told to be all there, however little room it leaves', () => {
  const most = 524_288
  for (const length of [most / 3 - 3, most / 3 - 2, most / 3 - 1, most / 3].map(Math.floor)) {
    const folder = mkdtempSync(join(tmpdir(), 'journal-'))
    const journal = new Journal(folder)
    journal.load()
    const text = '€'.repeat(length)
    journal.write([text], [])
    const written = readFileSync(join(folder, journal.segments[0]?.name ?? ''))
    expect(written.equals(Buffer.from(intentLine(text) + HEAD_END))).toBe(true)
    rmSync(folder, { recursive: true })
  }
})
