/**
 * Branded identifiers: a string that was checked once, at the border, and is trusted inside.
 *
 * Pure. The only file, beside the codecs, that may use `as`.
 */
declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** Slug an operator chose for a provider: `openai`, `azure-eu`. Lower case, so env names map one to one. */
export type ProviderId = Branded<'ProviderId'>
/** One secret of a provider, `cred_…`. */
export type CredentialId = Branded<'CredentialId'>
/** Row of the secret vault. Never reused: rotating a credential makes a new one. */
export type SecretId = Branded<'SecretId'>
/** Public name of a logical model or alias, as clients write it. */
export type ModelName = Branded<'ModelName'>
/** One client key, `key_…`; not the key itself. */
export type KeyId = Branded<'KeyId'>
/** Slug an operator chose for a budget: `search-team-month`. */
export type BudgetId = Branded<'BudgetId'>
/** One data-plane process's home: survives restarts as long as its data folder does. */
export type NodeId = Branded<'NodeId'>
/** Stream of the event log: `provider-openai`, `model-fast`, `clientkey-key_x`, `budget-team`, `system`. */
export type StreamId = Branded<'StreamId'>
/** `provider/upstream model`: the thing a request is sent to. */
export type DeploymentId = Branded<'DeploymentId'>

const SLUG = /^[a-z0-9][a-z0-9_-]{0,62}$/
// Model names come from many vendors: slashes, dots, colons, at signs and plus signs all occur in real lists.
const MODEL_NAME = /^[^\s\p{Cc}"\\]{1,200}$/u

export const isProviderId = (text: string): boolean => SLUG.test(text)
export const isBudgetId = (text: string): boolean => SLUG.test(text)
export const isModelName = (text: string): boolean => MODEL_NAME.test(text)

export const providerId = (text: string): ProviderId => text as ProviderId
export const credentialId = (text: string): CredentialId => text as CredentialId
export const secretId = (text: string): SecretId => text as SecretId
export const modelName = (text: string): ModelName => text as ModelName
export const keyId = (text: string): KeyId => text as KeyId
export const budgetId = (text: string): BudgetId => text as BudgetId
export const nodeId = (text: string): NodeId => text as NodeId
export const streamId = (text: string): StreamId => text as StreamId

export const providerStream = (id: ProviderId): StreamId => `provider-${id}` as StreamId
export const modelStream = (name: ModelName): StreamId => `model-${name}` as StreamId
export const clientKeyStream = (id: KeyId): StreamId => `clientkey-${id}` as StreamId
export const budgetStream = (id: BudgetId): StreamId => `budget-${id}` as StreamId
export const SYSTEM_STREAM = 'system' as StreamId

/** @returns kind and name of the entity a stream is about; both empty when it is about none. */
export function splitStream(stream: StreamId): readonly [kind: string, id: string] {
  const dash = stream.indexOf('-')
  return dash === -1 ? ['', ''] : [stream.slice(0, dash), stream.slice(dash + 1)]
}

export const deploymentId = (provider: ProviderId, model: string): DeploymentId =>
  `${provider}/${model}` as DeploymentId
