import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { canonical } from '#contracts/canonical.ts'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { termsOf } from '#contracts/catalog/client-key.ts'
import type { BudgetSubject } from '#contracts/catalog/money/budget.ts'
import { keyId } from '#contracts/ids.ts'
import { anyConfig, anyVariant, catalogOf, KEYS, MASTER_KEY, tokenOf } from '#test/arbitraries/config.ts'
import { accepted, next } from '#test/control-plane/given.ts'
import type { ConfigCommand } from '../commands/command.ts'
import { decide } from '../commands/decide.ts'
import { readConfigFile } from './file.ts'
import { prepareDeclaration } from './prepare.ts'
import { writeConfigFile } from './write-file.ts'

/** What applying the exported file, or another text in its place, to a catalog wishes for. */
function applying(exported: Catalog, text?: string): ConfigCommand {
  const { yaml, variables } = writeConfigFile(exported)
  for (const id of KEYS) expect(yaml).not.toContain(tokenOf(id))
  const env = Object.fromEntries(
    variables.map((one) => [one.name, tokenOf(/client key (\w+),/.exec(one.stands)?.[1] ?? '')]),
  )
  const read = readConfigFile(text ?? yaml, 'yaml', env, false)
  if (!read.ok) throw new Error(`${read.error.join('\n')}\n${text ?? yaml}`)
  const { state } = prepareDeclaration(read.value, MASTER_KEY)
  return { type: 'ApplyConfig', state, retireOthers: false, expectedCommit: null }
}

const after = (catalog: Catalog, command: ConfigCommand): Catalog =>
  next(catalog, accepted(decide(catalog, command)))

const liveKeys = ({ keys }: Catalog) => [...keys.values()].filter(({ state }) => state !== 'revoked')

/** Live keys by their digests: an empty control plane gives them other ids. */
function meaning(catalog: Catalog) {
  const live = liveKeys(catalog)
  const whose = (subject: BudgetSubject): string | undefined =>
    'tag' in subject ? `tag ${subject.tag}` : live.find(({ id }) => id === keyId(subject.key))?.digest
  return {
    providers: [...catalog.providers.values()].map(({ id, origin, definition }) => {
      const { dialects = [], capabilities = [], prices = [] } = definition
      return canonical([id, origin, { ...definition, dialects, capabilities, prices }])
    }),
    models: [...catalog.models.values()].map((one) => {
      const { name, origin, targets, aliases, strategy = 'balanced', region = null, limits = {} } = one
      return canonical([name, origin, targets, aliases.toSorted(), strategy, region, limits])
    }),
    keys: live.map((key) => canonical([key.digest, key.expiresAt, termsOf(key), key.origin])).toSorted(),
    // Nobody can spend of a key that is gone, and no file can name it.
    budgets: [...catalog.budgets.values()]
      .flatMap(({ id, origin, subject, period, terms: own }) =>
        whose(subject) === undefined ? [] : [canonical([id, origin, whose(subject) ?? '', period, own])],
      )
      .toSorted(),
  }
}

/** Of providers, and of live keys by their digests, whether somebody stopped them. */
const states = (catalog: Catalog): Readonly<Record<string, string>> =>
  Object.fromEntries([
    ...[...catalog.providers.values()].map(({ id, state }) => [id, state]),
    ...liveKeys(catalog).map(({ digest, state }) => [digest, state]),
  ])
const isStopped = (state: string): boolean => state !== 'enabled' && state !== 'active'

const RUNS = { numRuns: 30 }

describe('an exported file', () => {
  test('makes the same of everything on a control plane that has nothing', () => {
    const empty = next(
      EMPTY_CATALOG,
      accepted(decide(EMPTY_CATALOG, { type: 'CreateGenesis', logId: 'other', keyCheck: MASTER_KEY.check })),
    )
    fc.assert(
      fc.property(anyConfig, (one) => {
        const catalog = catalogOf(one)
        const command = applying(catalog)
        const there = after(empty, command)
        expect(meaning(there)).toEqual(meaning(catalog))
        expect(states(there)).toEqual(states(catalog))
        expect(liveKeys(there).map(({ name }) => name)).toEqual(liveKeys(catalog).map(({ name }) => name))
        expect(accepted(decide(there, command))).toEqual([])
      }),
      RUNS,
    )
  })

  test('makes the same of everything on one whose entities differ in all that can be said of them', () => {
    fc.assert(
      fc.property(anyVariant, anyVariant, (one, other) => {
        const [catalog, there] = [catalogOf(one), catalogOf(other)]
        const made = after(there, applying(catalog))
        expect(meaning(made)).toEqual(meaning(catalog))
        // It stops what was stopped, and starts nothing.
        const stops = Object.entries(states(catalog)).filter(([, state]) => isStopped(state))
        expect(states(made)).toEqual({ ...states(there), ...Object.fromEntries(stops) })
      }),
      RUNS,
    )
  })

  test('changes nothing where it came from, though all else is to be retired', () => {
    fc.assert(
      fc.property(anyConfig, (one) => {
        const catalog = catalogOf(one)
        expect(accepted(decide(catalog, { ...applying(catalog), retireOthers: true }))).toEqual([])
      }),
      RUNS,
    )
  })

  test('sets back whatever was changed of what it names, and retires what came to be, but for keys', () => {
    let changed = 0
    // Of the same entities, so that what is named is changed, and of others, so that some come to be.
    const both = fc.oneof(fc.tuple(anyVariant, anyVariant), fc.tuple(anyConfig, anyConfig))
    fc.assert(
      fc.property(both, ([one, other]) => {
        const before = catalogOf(one)
        const from = applying(before)
        const there = after(before, applying(catalogOf(other)))
        const back = after(there, { ...from, retireOthers: true })
        const [was, between, is] = [meaning(before), meaning(there), meaning(back)]
        expect({ ...is, keys: is.keys.filter((key) => was.keys.includes(key)) }).toEqual(was)
        expect(is.keys).toHaveLength(between.keys.length)
        if (was.keys.some((key) => !between.keys.includes(key))) changed += 1
      }),
      { numRuns: 60 },
    )
    expect(changed).toBeGreaterThan(5)
  })
})

type Path = readonly string[]

/** Whatever can be left out of a file that can still be read, with what is in it. */
function membersOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return []
  // Lists are said as a whole, but for that of keys.
  if (Array.isArray(value) && path.length > 1) return []
  return Object.entries(value).flatMap(([name, member]) => {
    const own = [...path, name]
    return [...(NEEDED.test(own.join('.')) ? [] : [own]), ...membersOf(member, own)]
  })
}

/** Sections, entities, what tells which one they are, and what each needs. */
const NEEDED =
  /^(\w+|\w+\.[\w-]+|keys\.\d\.(name|key|budgets|budgets\.[\w-]+)|.*\.(baseUrl|targets|amount|period|tag|ttlSeconds))$/

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((inner, name) => Reflect.get(Object(inner), name), value)

/** @param change of the object that the last name is of. */
function changedAt(text: string, path: Path, change: (owner: object, name: string) => void): unknown {
  const document: unknown = parse(text)
  change(Object(at(document, path.slice(0, -1))), path.at(-1) ?? '')
  return document
}

test('a file from which something was left out leaves just that as it is, and sets the rest', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(anyVariant, anyVariant, fc.nat(), (one, other, choice) => {
      const [wanted, there] = [catalogOf(one), catalogOf(other)]
      const [text, present] = [writeConfigFile(wanted).yaml, writeConfigFile(there).yaml]
      const members = membersOf(parse(text))
      const path = members[choice % members.length] ?? []
      seen.add(path.join('.'))
      const stops = (document: unknown, part: Path): void => {
        const owner = Object(at(document, part))
        if (!('state' in owner)) Reflect.set(owner, 'state', at(parse(present), [...part, 'state']))
      }
      const less = changedAt(text, path, (owner, name) => void Reflect.deleteProperty(owner, name))
      const expected = changedAt(text, path, (owner, name) =>
        Reflect.set(owner, name, at(parse(present), path)),
      )
      // What is stopped there stays so where the file says nothing of it.
      for (const part of [
        ['providers', 'a'],
        ['keys', '0'],
      ])
        stops(expected, part)
      const is = after(there, applying(wanted, stringify(less)))
      expect(parse(writeConfigFile(is).yaml), path.join('.')).toEqual(expected)
    }),
    { numRuns: 150 },
  )
  for (const member of ['keys.0.scopes', 'keys.0.limits.concurrency', 'providers.a.routing.maxQps'])
    expect(
      membersOf(parse(writeConfigFile(catalogOf(fc.sample(anyVariant, 1)[0]!)).yaml)).map(String),
    ).toContain(member.replaceAll('.', ','))
  expect(seen.size).toBeGreaterThan(30)
})
