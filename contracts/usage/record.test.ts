import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeRecord, encodeRecord, idOfRecord, RECORDED_OUTCOMES, type UsageRecord } from './record.ts'
import { TOKEN_KINDS, type Tokens } from './tokens.ts'

const count = fc.oneof(fc.nat(), fc.double({ min: 0, max: 1e12, noNaN: true, noDefaultInfinity: true }))
const positive = count.map((value) => (Object.is(value, -0) ? 0 : value))
const name = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 40 }))
const short = fc.string({ maxLength: 20 })
const tokens = fc.record(
  Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, positive])),
) as fc.Arbitrary<Tokens>
const record: fc.Arbitrary<UsageRecord> = fc.record({
  v: fc.constant(1 as const),
  id: fc.string({ minLength: 1, maxLength: 100 }),
  node: name,
  at: fc.nat(),
  key: name,
  endpoint: short,
  asked: name,
  model: name,
  session: fc.option(fc.string({ maxLength: 64 })),
  stream: fc.boolean(),
  status: fc.integer({ min: 100, max: 999 }),
  totalMs: positive,
  attempts: fc.array(
    fc.record({
      provider: name,
      model: name,
      credential: name,
      dialect: short,
      why: short,
      outcome: fc.constantFrom(...RECORDED_OUTCOMES),
      status: fc.integer({ min: 0, max: 999 }),
      firstMs: fc.option(positive),
      totalMs: positive,
    }),
    { maxLength: 4 },
  ),
  provider: name,
  upstream: name,
  tokens,
  isEstimated: fc.boolean(),
  commit: fc.nat(),
  weights: fc.nat(),
  seed: fc.nat(),
  candidates: fc.array(
    fc.record({
      deployment: name,
      tier: fc.integer(),
      weight: positive,
      factor: fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
      share: positive,
      out: fc.option(short),
    }),
    { maxLength: 4 },
  ),
  warnings: fc.array(name, { maxLength: 4 }),
})

describe('a record', () => {
  test('is one line of JSON, and read again is what it was, whatever names clients think of', () => {
    fc.assert(
      fc.property(record, (given) => {
        const line = encodeRecord(given)
        expect(line).not.toMatch(/[\n\r]/)
        expect(decodeRecord(line)).toEqual({ ok: true, value: given })
        expect(idOfRecord(line)).toBe(given.id)
      }),
    )
  })

  test('of a node that did not say endpoint and dialect yet is read', () => {
    fc.assert(
      fc.property(record, (given) => {
        const { endpoint: _, ...rest } = given
        const attempts = given.attempts.map(({ dialect: __, ...attempt }) => attempt)
        const read = decodeRecord(JSON.stringify({ ...rest, attempts }))
        expect(read).toMatchObject({ ok: true, value: { id: given.id, endpoint: '' } })
      }),
    )
  })
})

test('what is no record has no id', () => {
  for (const text of ['', '{"id":', '{}', '{"id":7}', '"id"', 'null']) expect(idOfRecord(text)).toBeNull()
})
