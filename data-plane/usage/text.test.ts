import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodeId } from '#contracts/ids.ts'
import { SOUND, type Scored } from '#contracts/routing/standing.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import type { RecordedChoice } from '#contracts/usage/choice.ts'
import { decodeRecord, MOST_CANDIDATES } from '#contracts/usage/record.ts'
import { TOKEN_KINDS, type Tokens } from '#contracts/usage/tokens.ts'
import { deployment } from '#test/fakes/deployment.ts'
import type { BegunAttempt } from '../upstream/failover.ts'
import {
  candidatesText,
  choiceText,
  cut,
  entryOf,
  intentText,
  knownText,
  lostText,
  rounded,
  tokensText,
  word,
} from './text.ts'

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

  test('tokens, whole or not', () => {
    const tokens = fc.record(
      Object.fromEntries(TOKEN_KINDS.map((kind) => [kind, number])),
    ) as fc.Arbitrary<Tokens>
    fc.assert(
      fc.property(tokens, (given) => {
        expect(tokensText(given)).toBe(JSON.stringify(given))
      }),
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
      expect(JSON.parse(candidatesText(scored(count), taste))).toEqual(wanted)
    }
  })
})

describe('an intent', () => {
  const about = {
    id: 'req_a-1',
    at: 1_700_000_000_000,
    key: 'key_1',
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
        const attempts = [lostText(begun), lostText(begun)].join(',')
        const text = line(
          intentText(knownText({ ...about, asked, session: asked.slice(0, 9), leases }), attempts, to, input),
        )
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
