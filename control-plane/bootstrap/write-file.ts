/**
 * The configuration as the file `readConfigFile` reads: without secrets, `${NAME}` in the place of each.
 *
 * Pure.
 */
import { stringify } from 'yaml'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { KeyScopes, termsOf, type ClientKey } from '#contracts/catalog/client-key.ts'
import { Limits } from '#contracts/catalog/limits.ts'
import type { Budget } from '#contracts/catalog/money/budget.ts'
import type { LogicalModel } from '#contracts/catalog/model.ts'
import {
  ProviderDefinition,
  ProviderModels,
  ProviderProbe,
  ProviderRouting,
  ProviderTimeouts,
  type Provider,
} from '#contracts/catalog/provider.ts'
import { unfilled, Variable } from './variables.ts'

export type WrittenFile = Readonly<{
  yaml: string
  /** Names that need a value to read it: which secret each stands for. */
  variables: readonly Readonly<{ name: string; stands: string }>[]
}>

export function writeConfigFile({ providers, models, keys, budgets }: Catalog): WrittenFile {
  const variables: { name: string; stands: string }[] = []
  const variable = (words: string, stands: string): Variable => {
    const plain = words.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')
    const base = /^[A-Z_]/.test(plain) ? plain : `_${plain}`
    let name = base
    for (let again = 2; variables.some((one) => one.name === name); again++) name = `${base}_${again}`
    variables.push({ name, stands })
    return new Variable(name)
  }
  const live = [...keys.values()].filter(({ state }) => state !== 'revoked')
  const file = {
    providers: Object.fromEntries(
      [...providers.values()].map((one) => [one.id, writeProvider(one, variable)]),
    ),
    models: Object.fromEntries([...models.values()].map((one) => [one.name, writeModel(one)])),
    keys: live.map((one) => writeKey(one, budgetsOf(one, budgets.values()), variable)),
    // Those of keys stand with their keys: an id means nothing where a key is made anew.
    budgets: Object.fromEntries(
      [...budgets.values()].flatMap(({ id, subject, ...rest }) =>
        'tag' in subject ? [[id, { tag: subject.tag, ...writeBudget(rest) }]] : [],
      ),
    ),
  }
  return { yaml: stringify(unfilled(file)), variables }
}

type NewVariable = (words: string, stands: string) => Variable

function writeProvider({ id, state, definition, credentials }: Provider, variable: NewVariable): object {
  const { routing, timeouts, probe, models, ...members } = definition
  const { dialects = [], capabilities = [], prices = [] } = members
  const apiKeys = credentials.map(({ fingerprint, label, weight }) => ({
    key: variable(`${id} api key`, `credential of provider ${id}, fingerprint ${fingerprint}`),
    weight,
    ...(label === undefined ? {} : { label }),
  }))
  return {
    ...written(ProviderDefinition, { ...members, dialects, capabilities, prices }),
    routing: written(ProviderRouting, routing),
    timeouts: written(ProviderTimeouts, timeouts),
    probe: written(ProviderProbe, probe),
    models: written(ProviderModels, models),
    ...stopped(state, 'enabled'),
    apiKeys,
  }
}

function writeModel({ targets, aliases, strategy, region, limits }: LogicalModel): object {
  return {
    targets: targets.map(({ provider, model, weight, tier, timeouts }) => ({
      provider,
      model,
      weight,
      ...(tier === 0 ? {} : { tier }),
      ...(timeouts === undefined ? {} : { timeouts }),
    })),
    // They are a set: the same ones make the same file.
    aliases: aliases.toSorted(),
    strategy: strategy ?? 'balanced',
    region: region ?? null,
    limits: written(Limits, limits ?? {}),
  }
}

function writeKey(key: ClientKey, budgets: Readonly<Record<string, object>>, variable: NewVariable): object {
  const { id, name, prefix, state, expiresAt } = key
  const { scopes, limits, ...terms } = termsOf(key)
  return {
    name,
    key: variable(`key ${name}`, `client key ${id}, ${prefix}…`),
    ...stopped(state, 'active'),
    expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    scopes: written(KeyScopes, scopes),
    limits: written(Limits, limits),
    ...terms,
    ...(Object.keys(budgets).length === 0 ? {} : { budgets }),
  }
}

const budgetsOf = ({ id: key }: ClientKey, budgets: Iterable<Budget>): Readonly<Record<string, object>> =>
  Object.fromEntries(
    [...budgets].flatMap(({ id, subject, ...rest }) =>
      'key' in subject && subject.key === key ? [[id, writeBudget(rest)]] : [],
    ),
  )

const writeBudget = ({ period, terms }: Pick<Budget, 'period' | 'terms'>): object => ({ period, ...terms })

/**
 * Where somebody stopped it, it is stopped wherever the file is applied. That it works is not said: a file that is
 * declared would start again, each time, what somebody stopped since it was written.
 */
const stopped = (state: string, usual: string): object => (state === usual ? {} : { state })

type Members = Readonly<{ shape: Readonly<Record<string, unknown>> }>

/** What is not written would stay as it is where the file is applied: of what is not set, null says so. */
const written = ({ shape }: Members, part: object): object => {
  const set = new Map<string, unknown>(Object.entries(part))
  return Object.fromEntries(Object.keys(shape).map((name) => [name, set.get(name) ?? null]))
}
