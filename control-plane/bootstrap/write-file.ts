/**
 * The configuration as the file `readConfigFile` reads: without secrets, `${NAME}` in the place of each.
 *
 * Pure.
 */
import { stringify } from 'yaml'
import { canonical } from '#contracts/canonical.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { ClientKey } from '#contracts/catalog/client-key.ts'
import type { LogicalModel } from '#contracts/catalog/model.ts'
import { ProviderDefinition, type Provider } from '#contracts/catalog/provider.ts'

export type WrittenFile = Readonly<{
  yaml: string
  /** Names that need a value to read it: which secret each stands for. */
  variables: readonly Readonly<{ name: string; stands: string }>[]
}>

export function writeConfigFile({ providers, models, keys }: Catalog): WrittenFile {
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
    keys: live.map((one) => writeKey(one, variable)),
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

function writeModel({ targets, aliases, strategy, region }: LogicalModel): object {
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
  }
}

const writeKey = ({ id, name, prefix }: ClientKey, variable: Variable): object => ({
  name,
  key: variable(`key ${name}`, `client key ${id}, ${prefix}…`),
})
