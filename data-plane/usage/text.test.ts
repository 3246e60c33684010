import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keyId, nodeId } from '#contracts/ids.ts'
import { SOUND, type Scored } from '#contracts/routing/standing.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import type { RecordedChoice } from '#contracts/usage/choice.ts'
import { decodeRecord, MOST_CANDIDATES } from '#contracts/usage/record.ts'
import { TOKEN_KINDS, type Tokens } from '#contracts/usage/tokens.ts'
import { deployment } from '#test/fakes/deployment.ts'
import type { Principal } from '../routing/snapshot.ts'
import type { BegunAttempt } from '../upstream/failover.ts'
import { intentText, placeText, withLost } from './attempt-text.ts'
import { lastDigits, rounded, whole } from './digits.ts'
import { knownText } from './known-text.ts'
import { cut, word } from './names.ts'
import { candidatesText, choiceText, entryOf, spentText } from './text.ts'

const name = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ minLength: 190 }),
)
const number = fc.double({ min: 0, max: 1e300, noNaN: true, noDefaultInfinity: true })
const time = fc.oneof(
  fc.nat({ max: 100_000_000 }).map((one) => one / 1_000),
  number,
)

describe('what is spelled by hand is the JSON of', () => {
  test('a name, cut, however often it is asked for', () => {
    fc.assert(
      fc.property(name, (given) => {
        for (let asked = 0; asked < 2; asked++) {
          expect(word(given)).toBe(JSON.stringify(cut(given)))
          expect(word(given)).not.toMatch(/[\n\r]/)
        }
      }),
    )
  })

  test('more names than are remembered', () => {
    for (let at = 0; at < 5_000; at++) expect(word(`name ${at}`)).toBe(`"name ${at}"`)
  })

  test('a time, in thousandths, and nothing below zero', () => {
    fc.assert(
      fc.property(time, (given) => {
        expect(JSON.parse(rounded(given))).toBe(Math.round(given * 1_000) / 1_000)
        expect(rounded(-given)).toBe('0')
      }),
      { examples: [[0.001], [0.01], [0.1], [1.05], [999_999.999_9], [1e6], [5e-324]] },
    )
    expect(rounded(Number.NaN)).toBe('0')
  })

  test('a number, whole or not, of any size', () => {
    const powers = Array.from({ length: 16 }, (_, at) => 10 ** at).flatMap((at) => [at - 1, at, at + 1, -at])
    fc.assert(
      fc.property(fc.oneof(fc.nat(), fc.maxSafeNat(), fc.double()), (given) => {
        expect(whole(given)).toBe(`${given}`)
      }),
      { examples: [...powers, 4_294_967_295, 0.5, 999.5, 1_000.5, -0].map((one): [number] => [one]) },
    )
    expect([1_700_000_000_000, 1_000_007, 1_070, 1_999].map(lastDigits)).toEqual(['000', '007', '070', '999'])
  })

  test('tokens, whole or not, and whichever are none', () => {
    const kind = fc.oneof(fc.constant(0), fc.nat(), number)
    const tokens = fc.record(
      Object.fromEntries(TOKEN_KINDS.map((one) => [one, kind])),
    ) as fc.Arbitrary<Tokens>
    const alone = ['input', ...TOKEN_KINDS].map((some) =>
      Object.fromEntries(TOKEN_KINDS.map((one) => [one, one === some || one === 'input' ? 7 : 0])),
    ) as Tokens[]
    fc.assert(
      fc.property(tokens, fc.boolean(), (given, isEstimated) => {
        const text = spentText('{"tokens":{"input":', { tokens: given, isEstimated })
        expect(text).toBe(JSON.stringify({ tokens: given, isEstimated, candidates: [] }).slice(0, -2))
      }),
      {
        examples: alone.flatMap((one): [Tokens, boolean][] => [
          [one, false],
          [one, true],
        ]),
      },
    )
  })

  test('a choice with whatever it has', () => {
    const some = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined })
    const choice: fc.Arbitrary<RecordedChoice> = fc.record({
      chosen: fc.option(fc.nat()),
      why: fc.constantFrom('weight', 'sticky', 'none'),
      drawn: some(fc.integer({ min: 1, max: 9 })),
      table: some(fc.record({ epoch: fc.nat(), seq: fc.nat(), say: some(number) })),
      futility: some(number),
      known: some(
        fc.array(fc.record({ at: fc.nat(), fleet: some(number), isTrial: some(fc.constant(true)) })),
      ),
    })
    fc.assert(
      fc.property(choice, (given) => {
        expect(choiceText(given)).toBe(JSON.stringify(given))
      }),
    )
  })

  test('candidates, as many as a record has room for, with prices where they decide', () => {
    const scored = (count: number): Scored[] =>
      Array.from({ length: count }, (_, at) => {
        const cost = at % 3 === 0 ? null : { input: 1.5, output: at }
        const standing = at % 2 === 0 ? SOUND : { ...SOUND, out: 'down' as const }
        return {
          candidate: { deployment: deployment(`p${at}`, { cost }), tier: 0, weight: 1 },
          standing,
          tier: at / 2,
          factor: 0.25,
          share: 1 / 3,
          paced: 1,
        }
      })
    for (const [count, taste] of [
      [0, STRATEGIES.balanced],
      [3, STRATEGIES.cost],
      [MOST_CANDIDATES + 1, STRATEGIES.balanced],
    ] as const) {
      const wanted = scored(count)
        .slice(0, MOST_CANDIDATES)
        .map(({ candidate: { deployment: at, weight }, standing: { out }, tier }) => ({
          deployment: at.id,
          tier,
          weight,
          factor: 0.25,
          share: 0.333,
          out,
          ...(taste === STRATEGIES.cost && at.cost !== null ? { cost: at.cost } : {}),
        }))
      const text = candidatesText('{"candidates":[', scored(count), taste)
      expect(JSON.parse(`${text}]}`)).toEqual({ candidates: wanted, choices: [] })
    }
  })
})

describe('an intent', () => {
  const about = {
    id: 'req_a-1',
    at: 1_700_000_000_000,
    principal: { keyId: keyId('key_1') } as Principal,
    endpoint: 'chat',
    asked: 'fast',
    model: 'fast',
    session: null,
    stream: true,
    commit: 7,
    weights: 3,
    seed: 42,
    leases: [],
  } as const
  const line = entryOf(nodeId('node_"1'))

  test('is a record of what was sent and never heard of, whatever names clients think of', () => {
    fc.assert(
      fc.property(name, name, fc.array(fc.string()), number, (asked, model, leases, input) => {
        const to = deployment('one', { model })
        const begun = {
          deployment: to,
          lane: to.lanes[0]!,
          why: 'weight',
          prepared: { dialect: 'gemini' },
        } as BegunAttempt
        const place = placeText(begun, 'gemini')
        const known = knownText({ ...about, asked, session: asked.slice(0, 9), leases })
        const text = line(intentText(known, withLost('', place), place, input))
        expect(text).not.toMatch(/[\n\r]/)
        const read = decodeRecord(text)
        if (!read.ok) throw new Error(read.error)
        const { value } = read
        expect(value).toMatchObject({ node: 'node_"1', asked: cut(asked), status: 500, isEstimated: true })
        expect(value).toMatchObject({ provider: 'one', upstream: cut(model), tokens: { input, output: 0 } })
        expect(value.attempts.map(({ outcome, dialect }) => [outcome, dialect])).toEqual([
          ['lost', 'gemini'],
          ['lost', 'gemini'],
        ])
        expect(value.leases ?? []).toEqual(leases)
      }),
    )
  })
})
