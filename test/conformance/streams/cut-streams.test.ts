/**
 * Recorded streams are told alike however they are cut and whatever their line ends are; spoiled ones crash
 * nothing and end in an end or an error. More of both: `npm run run:fuzz`.
 */
import { describe, expect, test } from 'vitest'
import { carry, endsWell, openConversion, othersThan, withLineEnds } from './cut-streams.ts'
import { diceOf, spoil } from './spoil.ts'
import { hasRecordings, recordings } from '../recordings.ts'

const streams = recordings.flatMap(({ id, dialect, stream }) =>
  stream === null ? [] : [{ id, dialect, stream }],
)
/** Cuts tried of each stream here; all of them in the long run. */
const CUTS = 12

describe.runIf(hasRecordings)('a recorded stream', () => {
  test.each(streams)('$id is told alike however it is cut', ({ id, dialect, stream }) => {
    const random = diceOf(id.length)
    const whole = withLineEnds(stream, '\n')
    for (const to of othersThan(dialect)) {
      const told = carry(openConversion(dialect, to), whole, [])
      expect(told.text.length).toBeGreaterThan(0)
      expect(endsWell(to, told), to).toBe(true)
      const crlf = withLineEnds(stream, '\r\n')
      expect(carry(openConversion(dialect, to), crlf, [])).toEqual(told)
      for (let time = 0; time < CUTS; time++) {
        const bytes = time % 2 === 0 ? whole : crlf
        const cut = Math.floor(random() * bytes.length)
        expect(carry(openConversion(dialect, to), bytes, [cut]), `cut at ${cut}`).toEqual(told)
      }
    }
  })

  test('is told alike byte by byte: cut at every offset there is', () => {
    for (const { id, dialect, stream } of streams) {
      for (const to of othersThan(dialect)) {
        const told = carry(openConversion(dialect, to), withLineEnds(stream, '\n'), [])
        for (const lineEnd of ['\n', '\r\n'] as const) {
          const bytes = withLineEnds(stream, lineEnd)
          const every = Array.from({ length: bytes.length - 1 }, (_, at) => at + 1)
          expect(carry(openConversion(dialect, to), bytes, every), id).toEqual(told)
        }
      }
    }
  })

  test('that is spoiled crashes nothing and ends in an end or an error', () => {
    const random = diceOf(7)
    const small = streams.filter(({ stream: { length } }) => length < 20_000)
    for (let time = 0; time < 1_000; time++) {
      const picked = small[Math.floor(random() * small.length)]
      if (picked === undefined) continue
      const bytes = spoil(picked.stream, random)
      const [to = picked.dialect] = othersThan(picked.dialect).slice(time % 3)
      const outcome = carry(openConversion(picked.dialect, to), bytes, [])
      expect(outcome.isRefused || endsWell(to, outcome), `${picked.id} to ${to}, the ${time}th`).toBe(true)
    }
  })
})
