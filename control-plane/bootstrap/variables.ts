/**
 * Variables in a configuration file: `${NAME}` stands for what the environment has under that name, `$${` for
 * a `${` that is meant as it is. What stands before a colon is never filled in.
 *
 * Pure.
 */
import type { Env } from '#contracts/process/env.ts'

/** @returns the value with every string filled in, and the variables that are not set. */
export function fillIn(value: unknown, env: Env): Readonly<{ value: unknown; missing: readonly string[] }> {
  const missing = new Set<string>()
  return { value: filled(value, env, missing), missing: [...missing] }
}

/** A secret's place in a file that is written. */
export class Variable {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** @returns the value so that, filled in, it is itself again, with `${NAME}` in the place of each variable. */
export function unfilled(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('${', () => '$${')
  if (value instanceof Variable) return `\${${value.name}}`
  if (Array.isArray(value)) return value.map(unfilled)
  return isMapping(value) ? mapped(value, unfilled) : value
}

function filled(value: unknown, env: Env, missing: Set<string>): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, variable: string | undefined) => {
      if (variable === undefined) return '${'
      const text = env[variable]
      if (text === undefined) missing.add(variable)
      return text ?? ''
    })
  }
  if (Array.isArray(value)) return value.map((item) => filled(item, env, missing))
  return isMapping(value) ? mapped(value, (member) => filled(member, env, missing)) : value
}

/**
 * A document without what has a secret that is not known: credentials are then not said, a key is not named.
 *
 * @returns in `left` the path of each.
 */
export function withoutUnknownSecrets(
  document: unknown,
  env: Env,
): Readonly<{ value: unknown; left: readonly string[] }> {
  const left: string[] = []
  const isKnown = (value: unknown, path: string): boolean => {
    const { missing } = fillIn(value, env)
    if (missing.length > 0) left.push(path)
    return missing.length === 0
  }
  if (!isMapping(document)) return { value: document, left }
  const value = mapped(document, (section, name) => {
    if (name === 'providers' && isMapping(section)) {
      return mapped(section, (provider, id) =>
        isMapping(provider)
          ? Object.fromEntries(
              Object.entries(provider).filter(
                ([member, said]) => !CREDENTIALS.has(member) || isKnown(said, `providers.${id}.${member}`),
              ),
            )
          : provider,
      )
    }
    if (name === 'keys' && Array.isArray(section))
      return section.filter((key: unknown, at) => !isMapping(key) || isKnown(key['key'], `keys.${at}`))
    return section
  })
  return { value, left }
}

const CREDENTIALS: ReadonlySet<string> = new Set(['apiKey', 'apiKeys'])

type Mapping = Readonly<Record<string, unknown>>

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const mapped = (mapping: Mapping, change: (member: unknown, name: string) => unknown): Mapping =>
  Object.fromEntries(Object.entries(mapping).map(([name, member]) => [name, change(member, name)]))
