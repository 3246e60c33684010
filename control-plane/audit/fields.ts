/**
 * Every entity as labelled words: what a person reads when two states are compared.
 *
 * Pure. A field that gets no words does not compile (`nothingElse`). Of secrets only fingerprints are told.
 */
import type { Budget, BudgetSubject, BudgetTerms } from '#contracts/catalog/money/budget.ts'
import type { CapabilityRules } from '#contracts/catalog/capability.ts'
import type { ClientKey, ContentLog, KeyScopes } from '#contracts/catalog/client-key.ts'
import type { Limits } from '#contracts/catalog/limits.ts'
import type { LogicalModel, RouteTarget } from '#contracts/catalog/model.ts'
import type { Credential, Provider, ProviderDefinition } from '#contracts/catalog/provider.ts'

/** A label and what stands under it; null: nothing is set. */
export type Field = readonly [label: string, value: string | null]

/** Takes what is left of an object once every field has its words. */
const nothingElse = (_rest: Readonly<Record<string, never>>): readonly Field[] => []

export function providerFields(provider: Provider): readonly Field[] {
  const { id: _, version: _v, createdAt: _c, changedAt: _a, ...content } = provider
  const { origin, state, definition, credentials, ...rest } = content
  return [
    ...nothingElse(rest),
    ['made', madeBy(origin)],
    ['state', state],
    ...definitionFields(definition),
    ...credentials.map(credentialField),
    ...orderField(
      'order of credentials',
      credentials.map((credential) => credential.id),
    ),
  ]
}

export function definitionFields(definition: ProviderDefinition): readonly Field[] {
  const { name, kind, baseUrl, dialects, capabilities, allowPrivate, ...parts } = definition
  const { prices, routing, timeouts, probe, models, ...rest } = parts
  return [
    ['name', name],
    ['kind', kind],
    ['base URL', baseUrl],
    ['dialects', list(dialects ?? [])],
    ...capabilityFields(capabilities ?? []),
    ...priceFields(prices ?? []),
    ['private addresses', allowPrivate ? 'allowed' : 'refused'],
    ...routingFields(routing),
    ...timeoutFields(timeouts),
    ...probeFields(probe),
    ...modelListFields(models),
    ...nothingElse(rest),
  ]
}

/** In their order, because a change replaces the whole list. */
export const priceFields = (prices: NonNullable<ProviderDefinition['prices']>): readonly Field[] =>
  prices.map(({ model, from, input, output, cacheRead, cacheWrite }, at) => [
    `price ${at + 1}`,
    [
      `${model} from ${new Date(from).toISOString()}`,
      `input ${dollars(input)}, output ${dollars(output)}`,
      ...(cacheRead === undefined ? [] : [`read from the cache ${dollars(cacheRead)}`]),
      ...(cacheWrite === undefined ? [] : [`written to the cache ${dollars(cacheWrite)}`]),
    ].join(', '),
  ])

/** Rules in their order, because later ones win. */
export const capabilityFields = (rules: CapabilityRules): readonly Field[] =>
  rules.map(({ model, set }, at) => [
    `capabilities, rule ${at + 1}`,
    `${model}: ${Object.entries(set)
      .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(', ')}`,
  ])

export function routingFields(routing: ProviderDefinition['routing']): readonly Field[] {
  const { weight, region, retryableStatusCodes, maxQps, maxConcurrency, costInput, costOutput, ...rest } =
    routing
  return [
    ['weight', String(weight)],
    ['region', region ?? null],
    ['retried statuses', retryableStatusCodes === undefined ? null : (list(retryableStatusCodes) ?? 'none')],
    ['requests a second, at most', text(maxQps)],
    ['requests at once, at most', text(maxConcurrency)],
    ['price of a million input tokens', dollars(costInput)],
    ['price of a million output tokens', dollars(costOutput)],
    ...nothingElse(rest),
  ]
}

export function timeoutFields(timeouts: ProviderDefinition['timeouts']): readonly Field[] {
  const { connectMs, answerMs, firstTokenMs, idleMs, ...rest } = timeouts
  return [
    ['connects within', duration(connectMs)],
    ['answers within', duration(answerMs)],
    ['first token within', duration(firstTokenMs)],
    ['silent for at most', duration(idleMs)],
    ...nothingElse(rest),
  ]
}

export function probeFields(probe: ProviderDefinition['probe']): readonly Field[] {
  const { enabled, intervalMs, model, ...rest } = probe
  return [
    ['probing', enabled ? 'on' : 'off'],
    ['probed after', duration(intervalMs)],
    ['probed with model', model ?? null],
    ...nothingElse(rest),
  ]
}

export function modelListFields(models: ProviderDefinition['models']): readonly Field[] {
  const { path, static: named, ...rest } = models
  return [['path of the model list', path], ['models named', list(named)], ...nothingElse(rest)]
}

function credentialField({ id, secretId, fingerprint, label, weight, ...rest }: Credential): Field {
  nothingElse(rest)
  // The place in the vault tells nothing to a person, but another place is another secret.
  const named = label === undefined ? '' : `, label ${label}`
  return [`credential ${id}`, `fingerprint ${fingerprint}, weight ${weight}${named}, kept as ${secretId}`]
}

export function modelFields(model: LogicalModel): readonly Field[] {
  const { name: _, version: _v, createdAt: _c, changedAt: _a, origin, targets, aliases, ...more } = model
  const { strategy, region, limits, ...rest } = more
  return [
    ['made', madeBy(origin)],
    ...targets.map(targetField),
    ...orderField('order of targets', targets.map(targetName)),
    ['aliases', list(aliases)],
    ['strategy', strategy ?? 'balanced'],
    ['preferred region', region ?? null],
    ...limitFields(limits ?? {}),
    ...nothingElse(rest),
  ]
}

type Target = Omit<RouteTarget, 'provider'> & Readonly<{ provider: string }>

const targetName = ({ provider, model }: Pick<Target, 'provider' | 'model'>): string => `${provider}/${model}`

export function targetField({ provider, model, weight, tier, timeouts = {}, ...rest }: Target): Field {
  nothingElse(rest)
  const { answerMs, firstTokenMs, idleMs, ...other } = timeouts
  nothingElse(other)
  const words = [
    `weight ${weight}`,
    `tier ${tier}`,
    ...(answerMs === undefined ? [] : [`answers within ${duration(answerMs)}`]),
    ...(firstTokenMs === undefined ? [] : [`first token within ${duration(firstTokenMs)}`]),
    ...(idleMs === undefined ? [] : [`silent for at most ${duration(idleMs)}`]),
  ]
  return [`target ${targetName({ provider, model })}`, words.join(', ')]
}

export function keyFields(key: ClientKey): readonly Field[] {
  const { id: _, version: _v, createdAt: _c, changedAt: _a, origin, name, digest, prefix, ...more } = key
  const { previous, expiresAt, state, undeclared, scopes, limits, owner, tags, ...kept } = more
  const { keepContext, contentLog, ...rest } = kept
  return [
    ['made', madeBy(origin)],
    ['name', name],
    ['state', state],
    ['key', `${prefix}…, fingerprint ${keyFingerprint(digest)}`],
    [
      'key before it',
      previous === null
        ? null
        : `fingerprint ${keyFingerprint(previous.digest)}, works until ${moment(previous.overlapUntil)}`,
    ],
    ['expires', expiresAt === null ? null : moment(expiresAt)],
    ['suspended because', undeclared === true ? 'it is not declared any more' : null],
    ...scopeFields(scopes ?? {}),
    ...limitFields(limits ?? {}),
    ['owner', owner ?? null],
    ['tags', list(tags ?? [])],
    ['sessions', keepContext === false ? 'cannot be looked at' : null],
    ['contents', contentLog === undefined || contentLog === null ? null : logged(contentLog)],
    ...nothingElse(rest),
  ]
}

export function logged({ ttlSeconds, ...rest }: ContentLog): string {
  nothingElse(rest)
  return `logged for ${duration(ttlSeconds * 1_000)}`
}

export function scopeFields({ models, providers, endpoints, ...rest }: KeyScopes): readonly Field[] {
  return [
    ['models', list(models ?? [])],
    ['providers', list(providers ?? [])],
    ['endpoints', list(endpoints ?? [])],
    ...nothingElse(rest),
  ]
}

export function limitFields(limits: Limits): readonly Field[] {
  const { requestsPerMinute, tokensPerMinute, concurrency, ...rest } = limits
  return [
    ['requests a minute', text(requestsPerMinute)],
    ['tokens a minute', text(tokensPerMinute)],
    ['requests at once', text(concurrency)],
    ...nothingElse(rest),
  ]
}

export function budgetFields(budget: Budget): readonly Field[] {
  const { id: _, version: _v, createdAt: _c, changedAt: _a, origin, subject, period, terms, ...rest } = budget
  return [
    ['made', madeBy(origin)],
    ['for', subjectWords(subject)],
    ['period', period],
    ...budgetTermFields(terms),
    ...nothingElse(rest),
  ]
}

export const subjectWords = (subject: BudgetSubject): string =>
  'key' in subject ? `key ${subject.key}` : `tag ${subject.tag}`

export function budgetTermFields(terms: BudgetTerms): readonly Field[] {
  const { amount, warnAt, whenSpent, onUnreachable, unpriced, ...rest } = terms
  return [
    ['amount', dollars(amount)],
    ['warning from', `${warnAt} of it`],
    ['status once it is spent', String(whenSpent)],
    ['without a control plane', onUnreachable],
    ['models without a price', unpriced],
    ...nothingElse(rest),
  ]
}

/** Enough to tell two keys apart. The digest itself is what nodes compare with, and nobody else's business. */
export const keyFingerprint = (digest: string): string => digest.slice(0, 8)

export const madeBy = (origin: Provider['origin']): string =>
  origin === 'api' ? 'through the API' : 'by declaration'

/** Fields that are set, in one sentence. */
export const sentence = (fields: readonly Field[]): string =>
  fields.flatMap(([label, value]) => (value === null ? [] : [`${label} ${value}`])).join(', ')

function duration(ms: number): string {
  return ms < 1_000 || ms % 100 !== 0 ? `${ms} ms` : `${ms / 1_000} s`
}

/** Years beyond what a date can show stay numbers. */
export const moment = (epochMs: number): string =>
  Math.abs(epochMs) <= 8.64e15 ? new Date(epochMs).toISOString() : String(epochMs)

const text = (value: number | undefined): string | null => (value === undefined ? null : String(value))
const dollars = (value: number | undefined): string | null => (value === undefined ? null : `$${value}`)
const list = (values: readonly (string | number)[]): string | null =>
  values.length === 0 ? null : values.join(', ')

/** Of one thing there is no order to speak of. */
const orderField = (label: string, names: readonly string[]): readonly Field[] =>
  names.length < 2 ? [] : [[label, names.join(', ')]]
