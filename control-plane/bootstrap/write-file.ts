/**
 * The configuration as the file `readConfigFile` reads: without secrets, `${NAME}` in the place of each.
 *
 * Pure.
 */
import { stringify } from 'yaml'
import { canonical } from '#contracts/canonical.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { PLAIN_TERMS, termsOf, type ClientKey } from '#contracts/catalog/client-key.ts'
import { USUAL_TERMS, type Budget } from '#contracts/catalog/money/budget.ts'
import type { LogicalModel } from '#contracts/catalog/model.ts'
import { ProviderDefinition, type Provider } from '#contracts/catalog/provider.ts'

export type WrittenFile = Readonly<{
  yaml: string
  /** Names that need a value to read it: which secret each stands for. */
  variables: readonly Readonly<{ name: string; stands: string }>[]
}>

export function writeConfigFile({ providers, models, keys, budgets }: Catalog): WrittenFile {
  const variables: { name: string; stands: string }[] = []
  const variable = (words: string, stands: string): string => {
    const plain = words.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')
    const base = /^[A-Z_]/.test(plain) ? plain : `_${plain}`
    let name = base
    for (let again = 2; variables.some((one) => one.name === name); again++) name = `${base}_${again}`
    variables.push({ name, stands })
    return `\${${name}}`
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
  return { yaml: stringify(file), variables }
}

type Variable = (words: string, stands: string) => string

function writeProvider({ id, definition, credentials }: Provider, variable: Variable): object {
  const { name, kind, baseUrl, ...parts } = definition
  const defaults = new Map(Object.entries(ProviderDefinition.parse({ name, kind, baseUrl })))
  // Defaults are left out, so that a reader sees what somebody decided.
  const decided = Object.entries(parts).filter(
    ([part, value]) => canonical(value ?? null) !== canonical(defaults.get(part) ?? null),
  )
  const apiKeys = credentials.map(({ fingerprint, label, weight }) => ({
    key: variable(`${id} api key`, `credential of provider ${id}, fingerprint ${fingerprint}`),
    weight,
    ...(label === undefined ? {} : { label }),
  }))
  return {
    ...(name === id ? {} : { name }),
    kind,
    baseUrl,
    ...(apiKeys.length === 0 ? {} : { apiKeys }),
    ...Object.fromEntries(decided),
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
    ...(aliases.length === 0 ? {} : { aliases }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(region === undefined || region === null ? {} : { region }),
    ...(limits === undefined || Object.keys(limits).length === 0 ? {} : { limits }),
  }
}

function writeKey(key: ClientKey, budgets: Readonly<Record<string, object>>, variable: Variable): object {
  const { id, name, prefix, expiresAt } = key
  const usual = new Map(Object.entries(PLAIN_TERMS))
  const decided = Object.entries(termsOf(key)).filter(
    ([term, value]) => canonical(value) !== canonical(usual.get(term) ?? null),
  )
  return {
    name,
    key: variable(`key ${name}`, `client key ${id}, ${prefix}…`),
    ...(expiresAt === null ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
    ...Object.fromEntries(decided),
    ...(Object.keys(budgets).length === 0 ? {} : { budgets }),
  }
}

const budgetsOf = ({ id: key }: ClientKey, budgets: Iterable<Budget>): Readonly<Record<string, object>> =>
  Object.fromEntries(
    [...budgets].flatMap(({ id, subject, ...rest }) =>
      'key' in subject && subject.key === key ? [[id, writeBudget(rest)]] : [],
    ),
  )

function writeBudget({ period, terms }: Pick<Budget, 'period' | 'terms'>): object {
  const { amount, ...others } = terms
  const usual = new Map<string, unknown>(Object.entries(USUAL_TERMS))
  const decided = Object.entries(others).filter(([term, value]) => value !== usual.get(term))
  return { period, amount, ...Object.fromEntries(decided) }
}
