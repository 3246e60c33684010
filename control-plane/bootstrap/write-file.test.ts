import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonical } from '#contracts/canonical.ts'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { termsOf, type ContentLog, type KeyTerms } from '#contracts/catalog/client-key.ts'
import type { BudgetSubject } from '#contracts/catalog/money/budget.ts'
import { budgetId, keyId, modelName, providerId } from '#contracts/ids.ts'
import { clientKeyDigest, deriveKeys } from '#contracts/security/master-key.ts'
import { accepted, definition, next, target } from '#test/control-plane/given.ts'
import type { Command, DeclaredState } from '../commands/command.ts'
import { decide } from '../commands/decide.ts'
import { readConfigFile } from './file.ts'
import { prepareDeclaration } from './prepare.ts'
import { writeConfigFile } from './write-file.ts'

const masterKey = deriveKeys(Buffer.alloc(32, 7))
const tokenOf = (id: string): string => `sk-token-of-${id}-0123456789`

const KEYS = ['key_1', 'key_2', 'key_3', 'key_4']
/** Two of one name: what a budget is of must not hang on it. */
const name = fc.constantFrom('ci', 'ci', 'search')
const tag = fc.constantFrom('red', 'blue')
const limits = fc.constantFrom({}, { requestsPerMinute: 5 }, { tokensPerMinute: 9, concurrency: 2 })
const terms: fc.Arbitrary<KeyTerms> = fc.record({
  scopes: fc.constantFrom(
    {},
    { models: ['fast', 'a/*'] },
    { providers: ['a'], endpoints: ['chat' as const] },
  ),
  limits,
  owner: fc.constantFrom(null, 'null', '# team: "x"'),
  tags: fc.subarray(['red', 'blue', '1']),
  keepContext: fc.boolean(),
  contentLog: fc.constantFrom<ContentLog | null>(null, { ttlSeconds: 60 }),
})
const expiresAt = fc.option(fc.integer({ min: 1, max: 4_102_444_800_000 }))
const fate = fc.constantFrom('active', 'active', 'suspended', 'revoked')
const keys = fc
  .subarray(KEYS)
  .chain((ids) =>
    fc.tuple(...ids.map((id) => fc.record({ id: fc.constant(id), name, terms, expiresAt, fate }))),
  )
const budget = fc.record({
  subject: fc.oneof(
    fc.record({ tag }),
    fc.constantFrom(...KEYS).map((key) => ({ key })),
  ),
  period: fc.constantFrom('day', 'week', 'month', 'total'),
  terms: fc.record({
    amount: fc.constantFrom(0.000001, 2.5, 5_000_000),
    warnAt: fc.constantFrom(0.8, 0.5, 1),
    whenSpent: fc.constantFrom(402, 429),
    onUnreachable: fc.constantFrom('refuse', 'allow'),
    unpriced: fc.constantFrom('refuse', 'allow'),
  }),
})
const budgets = fc.dictionary(fc.constantFrom('team', 'null', '1', 'ci-day', 'on'), budget)

type Wanted = Readonly<{
  keys: readonly Readonly<{
    id: string
    name: string
    terms: KeyTerms
    expiresAt: number | null
    fate: string
  }>[]
  budgets: Readonly<Record<string, Pick<DeclaredState['budgets'][number], 'subject' | 'period' | 'terms'>>>
  limits: DeclaredState['models'][number]['limits']
}>
const wanted = fc.record({ keys, budgets, limits: fc.option(limits) }) as fc.Arbitrary<Wanted>

/** Made through the API, one command after the other. */
function made({ keys: issued, budgets: given, limits: ofModel }: Wanted): Catalog {
  const commands: Command[] = [
    { type: 'CreateGenesis', logId: 'log', keyCheck: masterKey.check },
    { type: 'RegisterProvider', id: providerId('a'), definition: definition(), credentials: [] },
    {
      type: 'CreateModel',
      name: modelName('fast'),
      targets: [target('a')],
      aliases: [],
      strategy: null,
      region: null,
      limits: ofModel,
    },
    ...issued.map(({ id, name: called, terms: own, expiresAt: until }): Command => {
      const digest = clientKeyDigest(masterKey.pepper, tokenOf(id))
      return {
        type: 'IssueKey',
        id: keyId(id),
        digest,
        prefix: 'sk-token',
        name: called,
        terms: own,
        expiresAt: until,
      }
    }),
    ...Object.entries(given).flatMap(([id, one]): Command[] =>
      'tag' in one.subject || issued.some((key) => 'key' in one.subject && key.id === one.subject.key)
        ? [{ type: 'CreateBudget', id: budgetId(id), ...one }]
        : [],
    ),
  ]
  const catalog = commands.reduce((at, command) => next(at, accepted(decide(at, command))), EMPTY_CATALOG)
  return issued.reduce((at, { id, fate: end }) => {
    if (end === 'active') return at
    const type = end === 'revoked' ? 'RevokeKey' : 'SuspendKey'
    const expectedVersion = at.keys.get(keyId(id))?.version ?? 0
    return next(at, accepted(decide(at, { type, id: keyId(id), expectedVersion })))
  }, catalog)
}

/** What applying the exported file to a catalog wishes for. */
function applying(exported: Catalog, retireOthers = false): Command {
  const { yaml, variables } = writeConfigFile(exported)
  for (const id of KEYS) expect(yaml).not.toContain(tokenOf(id))
  const env = Object.fromEntries(
    variables.map((one) => [one.name, tokenOf(/client key (\w+),/.exec(one.stands)?.[1] ?? '')]),
  )
  const read = readConfigFile(yaml, 'yaml', env, false)
  if (!read.ok) throw new Error(`${read.error.join('\n')}\n${yaml}`)
  const { state } = prepareDeclaration(read.value, masterKey)
  return { type: 'ApplyConfig', state, retireOthers, expectedCommit: null }
}

/** Live keys by their digests: an empty control plane gives them other ids. */
function meaning({ keys: all, models, budgets: given }: Catalog): unknown {
  const live = new Map(
    [...all.values()].filter(({ state }) => state !== 'revoked').map((one) => [one.id, one]),
  )
  const whose = (subject: BudgetSubject): string | undefined =>
    'tag' in subject ? `tag ${subject.tag}` : live.get(keyId(subject.key))?.digest
  return {
    keys: [...live.values()]
      .map((key) => canonical([key.digest, key.name, key.expiresAt, termsOf(key), key.origin]))
      .toSorted(),
    models: [...models.values()].map((one) => [one.name, one.limits ?? {}]),
    // Nobody can spend of a key that is gone, and no file can name it.
    budgets: [...given.values()]
      .flatMap(({ id, origin, subject, period, terms: own }) =>
        whose(subject) === undefined ? [] : [canonical([id, origin, whose(subject) ?? '', period, own])],
      )
      .toSorted(),
  }
}

describe('an exported file', () => {
  test('makes the same keys, limits and budgets on a control plane that has nothing', () => {
    const empty = next(
      EMPTY_CATALOG,
      accepted(decide(EMPTY_CATALOG, { type: 'CreateGenesis', logId: 'other', keyCheck: masterKey.check })),
    )
    fc.assert(
      fc.property(wanted, (one) => {
        const catalog = made(one)
        const command = applying(catalog)
        const there = next(empty, accepted(decide(empty, command)))
        expect(meaning(there)).toEqual(meaning(catalog))
        expect(accepted(decide(there, command))).toEqual([])
      }),
      { numRuns: 30 },
    )
  })

  test('changes nothing where it came from, though all else is to be retired', () => {
    fc.assert(
      fc.property(wanted, (one) => {
        const catalog = made(one)
        expect(accepted(decide(catalog, applying(catalog, true)))).toEqual([])
      }),
      { numRuns: 30 },
    )
  })

  test('sets back whatever was changed of what it names', () => {
    fc.assert(
      fc.property(wanted, wanted, (one, other) => {
        const before = made(one)
        const [from, to] = [applying(before), applying(made(other))]
        const there = next(before, accepted(decide(before, to)))
        const back = next(there, accepted(decide(there, { ...from, retireOthers: true } as Command)))
        const [was, is] = [meaning(before), meaning(back)] as { budgets: unknown; models: unknown }[]
        expect([is?.budgets, is?.models]).toEqual([was?.budgets, was?.models])
      }),
      { numRuns: 30 },
    )
  })
})
