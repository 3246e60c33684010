/**
 * The routing snapshot: everything a request needs, looked up once, computed ahead, never changed.
 *
 * Pure data. `compile.ts` makes one per change of the catalog and the node swaps a single reference; a
 * request keeps the snapshot it began with.
 */
import type { BudgetPeriod, BudgetTerms } from '#contracts/catalog/money/budget.ts'
import type { Capabilities } from '#contracts/catalog/capability.ts'
import type { ContentLog } from '#contracts/catalog/client-key.ts'
import type { Limits } from '#contracts/catalog/limits.ts'
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { Ability } from '#contracts/catalog/facts/known-models.ts'
import type { ListedModel } from '#contracts/catalog/facts/listed-model.ts'
import type { EndpointPaths } from '#contracts/catalog/endpoints.ts'
import type { Dialect, Provider, ProviderKind, ProviderTimeouts } from '#contracts/catalog/provider.ts'
import type { Nack } from '#contracts/fleet/report.ts'
import type { CredentialId, DeploymentId, KeyId, ProviderId } from '#contracts/ids.ts'
import type * as routing from '#contracts/routing/standing.ts'
import type { CompiledStrategy } from '#contracts/routing/strategies.ts'

/** One credential of one deployment: what telemetry tells apart. */
export type Lane = Readonly<{
  /** Index into the telemetry counters. */
  slot: number
  /** Absent: the provider wants no credential. */
  credential: CredentialId | null
  weight: number
  /** Headers of every request on this lane, ready to send: name, value, name, value… Holds the secret. */
  headers: readonly string[]
}>

/** One upstream model at one provider: what a request is sent to. */
export type Deployment = Readonly<{
  id: DeploymentId
  /** Index into health and weight-factor arrays. */
  slot: number
  provider: ProviderId
  kind: ProviderKind
  /** Request formats it takes natively, the best first; never empty. */
  dialects: readonly Dialect[]
  /** Index into per-provider arrays (pace, requests under way). */
  providerSlot: number
  /** Upstream model, as the provider knows it. */
  model: string
  /** The model as a JSON string, ready to be spliced into a body. */
  modelJson: Buffer
  /** The model as a header value: names may hold characters that headers cannot. */
  modelHeader: string
  /** `https://host:port` of the connection pool. */
  origin: string
  allowPrivate: boolean
  /** Path and query of every call. */
  endpoints: EndpointPaths
  lanes: readonly Lane[]
  timeouts: Readonly<ProviderTimeouts>
  /** Statuses that move on to the next candidate, when the operator replaced our judgement. */
  retryable: ReadonlySet<number> | null
  /** Requests a second over the fleet; Infinity: no limit. */
  maxQps: number
  /** Requests under way at once over the fleet; Infinity: no limit. */
  maxConcurrency: number
  /** US dollars per million tokens: the operator's, or the provider's own, or the public ones; null: not known. */
  cost: Readonly<{ input: number; output: number }> | null
  region: string | null
  /** What the model takes, for requests that are written anew. */
  capabilities: () => Capabilities
}>

export type Candidate = routing.Candidate<Deployment>

/** A public name and who can serve it. */
export type Route = Readonly<{
  /** The logical model's own name, or the listed model. */
  model: string
  /** False: formed by itself from the providers that list the model. */
  logical: boolean
  strategy: CompiledStrategy
  /** Candidates in this region are preferred within their tier; null: none. */
  region: string | null
  /** Of all clients together; null: none. */
  limits: Limits | null
  candidates: readonly Candidate[]
}>

export type CompiledProvider = Readonly<{
  source: Provider
  /** Deployments by upstream model: targets of logical models and listed models. */
  deployments: ReadonlyMap<string, Deployment>
  /** Makes a deployment for a pinned model nobody listed. */
  pin: (model: string) => Deployment
  /** Models this provider lists, declared or discovered. */
  listed: readonly string[]
  /** What its own list tells of them; null: the operator named them, or nothing is known yet. */
  seen: readonly ListedModel[] | null
  accepts: boolean
}>

/** Who is calling, as far as the snapshot knows. */
export type Principal = Readonly<{
  keyId: KeyId
  state: 'active' | 'suspended' | 'revoked'
  /** Epoch milliseconds; Infinity: never. */
  expiresAt: number
  /** Null: anything. */
  scope: Scope | null
  /** Null: none. */
  limits: Limits | null
  /** What its requests are paid from; null: nothing holds it. */
  budgets: readonly CompiledBudget[] | null
  /** May what is said in named sessions be kept, to be looked at? */
  keepContext: boolean
  /** Is what is said in its requests to be logged, and for how long? */
  contentLog: ContentLog | null
}>

/** As much of a budget as a node needs: how much there is of it, the leases say. */
export type CompiledBudget = Readonly<{
  /** `accountOf` it. */
  account: string
  period: BudgetPeriod
  /** Of the key itself; false: of one of its tags. */
  isOwn: boolean
}> &
  Pick<BudgetTerms, 'whenSpent' | 'onUnreachable' | 'unpriced'>

/** What a key may be used for. Null members: anything. */
export type Scope = Readonly<{
  /** In `patterns`, `*` stands for any text. */
  models: Readonly<{ exact: ReadonlySet<string>; patterns: readonly string[] }> | null
  providers: ReadonlySet<string> | null
  endpoints: ReadonlySet<ClientEndpoint> | null
}>

/** One name a client may use, and what is known of it. */
export type ModelEntry = Readonly<{
  id: string
  /** A logical model or an alias of one; false: a model that providers list. */
  logical: boolean
  ownedBy: string
  /** Epoch seconds. */
  created: number
  displayName: string
  mode: 'chat' | 'embedding'
  /** Tokens; null: not known. Of several targets the least, so that what fits here fits everywhere. */
  contextWindow: number | null
  maxOutput: number | null
  /** What every target can do, as far as it is known. */
  abilities: readonly Ability[]
  /** US dollars per million tokens at the first target; null: not known. */
  price: Readonly<{ input: number; output: number }> | null
}>

/** Every name a client may use, once, in the order of their ids. */
export type ModelList = Readonly<{
  entries: readonly ModelEntry[]
  byId: ReadonlyMap<string, ModelEntry>
  /** As OpenAI answers it, ready to send. */
  body: Buffer
  etag: string
}>

export type RoutingSnapshot = Readonly<{
  source: Catalog
  commit: number
  epoch: number
  digest: string
  routes: ReadonlyMap<string, Route>
  providers: ReadonlyMap<ProviderId, CompiledProvider>
  /** By digest of the client key. */
  keys: ReadonlyMap<string, Principal>
  models: ModelList
  /** Entities that could not be taken over and stay as they were. */
  nacks: readonly Nack[]
}>
