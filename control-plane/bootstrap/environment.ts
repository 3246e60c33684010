/**
 * Providers and a first client key from environment variables.
 *
 * Pure. `OPENAI_API_KEY`, `ANTHROPIC_API_KEY` and `GEMINI_API_KEY` each make the obvious provider;
 * `LLM_PROVIDERS=a,b` with `LLM_PROVIDER_<ID>_…` makes any. Every problem is reported, each with its variable.
 */
import { PLAIN_TERMS } from '#contracts/catalog/client-key.ts'
import { z } from 'zod'
import { ProviderDefinition, type ProviderKind } from '#contracts/catalog/provider.ts'
import { isProviderId, providerId } from '#contracts/ids.ts'
import type { Env } from '#contracts/process/env.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { Secret } from '#contracts/security/secret.ts'
import type { Declaration, DeclaredCredential } from './declaration.ts'

type WellKnown = Readonly<{
  id: string
  kind: ProviderKind
  name: string
  key: string
  baseUrl: string
  url: string
}>

/** The addresses are those the official SDKs use, and so are the variables that replace them. */
const WELL_KNOWN: readonly WellKnown[] = [
  {
    id: 'openai',
    kind: 'openai',
    name: 'OpenAI',
    key: 'OPENAI_API_KEY',
    baseUrl: 'https://api.openai.com/v1',
    url: 'OPENAI_BASE_URL',
  },
  {
    id: 'anthropic',
    kind: 'anthropic',
    name: 'Anthropic',
    key: 'ANTHROPIC_API_KEY',
    baseUrl: 'https://api.anthropic.com',
    url: 'ANTHROPIC_BASE_URL',
  },
  {
    id: 'gemini',
    kind: 'gemini',
    name: 'Google Gemini',
    key: 'GEMINI_API_KEY',
    baseUrl: 'https://generativelanguage.googleapis.com',
    url: 'GOOGLE_GEMINI_BASE_URL',
  },
]

const FIELDS = [
  'NAME',
  'KIND',
  'BASE_URL',
  'API_KEY',
  'API_KEYS',
  'WEIGHT',
  'REGION',
  'MODELS_PATH',
  'STATIC_MODELS',
  'RETRYABLE_STATUS_CODES',
  'MAX_QPS',
  'MAX_CONCURRENCY',
  'DIALECTS',
  'COST_INPUT',
  'COST_OUTPUT',
] as const
type Field = (typeof FIELDS)[number]

/** Shorter client keys can be guessed. */
const SHORTEST_KEY = 16

export function readEnvironment(env: Env): Result<Declaration, readonly string[]> {
  const problems: string[] = []
  const ids = listOf(env['LLM_PROVIDERS'])
  for (const id of ids)
    if (!isProviderId(id)) problems.push(`LLM_PROVIDERS: '${id}' is not a provider id (a-z, 0-9, - and _)`)
  problems.push(...strangers(env, ids))
  const general = ids.filter(isProviderId).flatMap((id) => readGeneral(env, id, problems))
  const wellKnown = WELL_KNOWN.filter(({ id }) => !ids.includes(id)).flatMap((known) =>
    readWellKnown(env, known, problems),
  )
  const token = env['APIPROXY_AUTH_TOKEN']
  if (token !== undefined && token !== '' && token.length < SHORTEST_KEY) {
    problems.push(`APIPROXY_AUTH_TOKEN: must be at least ${SHORTEST_KEY} characters`)
  }
  if (problems.length > 0) return err(problems)
  const keys =
    token === undefined || token === ''
      ? []
      : [{ name: 'APIPROXY_AUTH_TOKEN', token: new Secret(token), terms: PLAIN_TERMS }]
  return ok({ providers: [...general, ...wellKnown], models: [], keys, budgets: [] })
}

const variable = (id: string, field: Field): string =>
  `LLM_PROVIDER_${id.toUpperCase().replaceAll('-', '_')}_${field}`

/** Variables that look like ours and belong to no provider named: most likely a slip of the pen. */
function strangers(env: Env, ids: readonly string[]): string[] {
  const known = new Set(ids.flatMap((id) => FIELDS.map((field) => variable(id, field))))
  return Object.keys(env)
    .filter((name) => name.startsWith('LLM_PROVIDER_') && !known.has(name))
    .map(
      (name) =>
        `${name}: belongs to no provider in LLM_PROVIDERS, or is not a setting (${FIELDS.join(', ')})`,
    )
}

function readWellKnown(env: Env, known: WellKnown, problems: string[]): Declaration['providers'] {
  const key = env[known.key]
  if (key === undefined || key === '') return []
  const { id, kind, name } = known
  const input = { name, kind, baseUrl: env[known.url] || known.baseUrl, allowPrivate: true }
  return define(
    id,
    input,
    [{ secret: new Secret(key), label: known.key, weight: 1 }],
    () => known.url,
    problems,
  )
}

function readGeneral(env: Env, id: string, problems: string[]): Declaration['providers'] {
  const get = (field: Field): string | undefined => env[variable(id, field)] || undefined
  const numberOf = (field: Field): number | undefined => {
    const text = get(field)
    if (text !== undefined && !Number.isFinite(Number(text)))
      problems.push(`${variable(id, field)}: must be a number`)
    return text === undefined ? undefined : Number(text)
  }
  const known = WELL_KNOWN.find((one) => one.id === id)
  const baseUrl = get('BASE_URL') ?? known?.baseUrl
  if (baseUrl === undefined) problems.push(`${variable(id, 'BASE_URL')}: is missing`)
  const statusCodes = get('RETRYABLE_STATUS_CODES')
  const routing = {
    weight: numberOf('WEIGHT'),
    region: get('REGION'),
    maxQps: numberOf('MAX_QPS'),
    maxConcurrency: numberOf('MAX_CONCURRENCY'),
    costInput: numberOf('COST_INPUT'),
    costOutput: numberOf('COST_OUTPUT'),
    retryableStatusCodes: statusCodes === undefined ? undefined : readStatusCodes(statusCodes),
  }
  const models = { path: get('MODELS_PATH'), static: readNames(get('STATIC_MODELS')) }
  const input = {
    name: get('NAME') ?? known?.name ?? id,
    kind: get('KIND') ?? known?.kind ?? 'openai',
    baseUrl: baseUrl ?? 'https://missing.invalid',
    ...present({ dialects: readNames(get('DIALECTS')) }),
    // A local vLLM or Ollama is a normal provider for whoever controls the environment.
    allowPrivate: true,
    routing: present(routing),
    models: present(models),
  }
  const credentials = readKeys(
    get('API_KEYS') ?? get('API_KEY') ?? (known === undefined ? undefined : env[known.key]),
  )
  if (credentials === null)
    problems.push(`${variable(id, 'API_KEYS')}: must be a comma list or JSON like [{"key":"…","weight":1}]`)
  return define(id, input, credentials ?? [], (path) => variable(id, fieldOf(path)), problems)
}

function define(
  id: string,
  input: unknown,
  credentials: readonly DeclaredCredential[],
  nameOf: (path: string) => string,
  problems: string[],
): Declaration['providers'] {
  const parsed = ProviderDefinition.safeParse(input)
  if (parsed.success) return [{ id: providerId(id), definition: parsed.data, credentials }]
  problems.push(...parsed.error.issues.map((issue) => `${nameOf(issue.path.join('.'))}: ${issue.message}`))
  return []
}

/** Path in the definition → the variable it came from. */
function fieldOf(path: string): Field {
  const [first, second] = path.split('.')
  if (first === 'name') return 'NAME'
  if (first === 'kind') return 'KIND'
  if (first === 'dialects') return 'DIALECTS'
  if (first === 'models') return second === 'path' ? 'MODELS_PATH' : 'STATIC_MODELS'
  if (first !== 'routing') return 'BASE_URL'
  const fields: Readonly<Record<string, Field>> = {
    weight: 'WEIGHT',
    region: 'REGION',
    maxQps: 'MAX_QPS',
    maxConcurrency: 'MAX_CONCURRENCY',
    costInput: 'COST_INPUT',
    costOutput: 'COST_OUTPUT',
  }
  return fields[second ?? ''] ?? 'RETRYABLE_STATUS_CODES'
}

const listOf = (text: string | undefined): string[] =>
  [...new Set((text ?? '').split(',').map((part) => part.trim()))].filter((part) => part !== '')

const present = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

/** A comma list, or a JSON array of names. */
function readNames(text: string | undefined): unknown {
  if (text === undefined) return undefined
  return text.trimStart().startsWith('[') ? readJson(text) : listOf(text)
}

/** `429,500,502-504`. What is no number is left to the schema to refuse. */
const readStatusCodes = (text: string): number[] =>
  listOf(text).flatMap((part) => {
    const [from, to] = part.split('-').map(Number)
    if (from === undefined || to === undefined || !(to >= from) || to - from > 200) return [Number(part)]
    return Array.from({ length: to - from + 1 }, (_, step) => from + step)
  })

const KeyList = z.array(
  z.union([
    z.string().min(1),
    z.strictObject({
      key: z.string().min(1),
      weight: z.number().positive().default(1),
      label: z.string().min(1).max(200).optional(),
    }),
  ]),
)

/** @returns null when the text is JSON of another shape. */
function readKeys(text: string | undefined): readonly DeclaredCredential[] | null {
  if (text === undefined || text === '') return []
  const parsed = KeyList.safeParse(text.trimStart().startsWith('[') ? readJson(text) : listOf(text))
  if (!parsed.success) return null
  return parsed.data.map((one) =>
    typeof one === 'string'
      ? { secret: new Secret(one), label: null, weight: 1 }
      : { secret: new Secret(one.key), label: one.label ?? null, weight: one.weight },
  )
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
