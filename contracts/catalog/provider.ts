/**
 * A provider: a company or host with an endpoint, credentials and how we may use it.
 *
 * Pure. Holds the noun's schema, its state and its events. Defaults live here, so that an event always
 * carries the whole decided value and a later change of a default never rewrites history.
 */
import { z } from 'zod'
import { CapabilityRules } from './capability.ts'
import { UpstreamPrices } from './price.ts'
import { isModelName, isProviderId, type CredentialId, type ProviderId, type SecretId } from '../ids.ts'

export const ProviderIdText = z
  .string()
  .refine(isProviderId, 'must be 1-63 of a-z, 0-9, - and _, starting with a letter or digit')

/** Wire format the provider's endpoint speaks; `openai` stands for every OpenAI-compatible server. */
export const ProviderKind = z.enum(['openai', 'anthropic', 'gemini'])
export type ProviderKind = z.infer<typeof ProviderKind>

/** A wire format of requests and answers. */
export const Dialect = z.enum(['openai-chat', 'openai-responses', 'anthropic', 'gemini'])
export type Dialect = z.infer<typeof Dialect>

/** As the official SDKs write it: `https://host/v1`. A query string is kept and sent with every call. */
export const BaseUrl = z
  .string()
  .max(2_000)
  .superRefine((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const problem =
      url === undefined
        ? 'is not a URL'
        : url.protocol !== 'http:' && url.protocol !== 'https:'
          ? 'must start with http:// or https://'
          : url.username !== '' || url.password !== ''
            ? 'must not carry credentials; add them as a credential'
            : url.hash === ''
              ? undefined
              : 'must not carry a fragment'
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })

const milliseconds = (least: number, most: number) => z.int().min(least).max(most)

/** Deadlines of one attempt, in milliseconds. */
export const ProviderTimeouts = z.strictObject({
  /** TCP and TLS. 5 s: a reachable host answers in far less, a black hole never does. */
  connectMs: milliseconds(10, 60_000).default(5_000),
  /** JSON callers: until the status line. 300 s: a reasoning model may think for minutes before it answers. */
  answerMs: milliseconds(10, 3_600_000).default(300_000),
  /** SSE callers: until the first meaningful event. */
  firstTokenMs: milliseconds(10, 3_600_000).default(60_000),
  /** Silence between two chunks once the answer has begun. */
  idleMs: milliseconds(10, 3_600_000).default(60_000),
})
export type ProviderTimeouts = z.infer<typeof ProviderTimeouts>

export const ProviderProbe = z.strictObject({
  enabled: z.boolean().default(true),
  /** How long a deployment may go without evidence before a probe asks it, in milliseconds. */
  intervalMs: milliseconds(1_000, 86_400_000).default(60_000),
  /** Upstream model of the tiny completion; absent: the deployment's own model. */
  model: z.string().min(1).max(200).optional(),
})
export type ProviderProbe = z.infer<typeof ProviderProbe>

/** How the provider takes part in routing. */
export const ProviderRouting = z.strictObject({
  /** Operator weight in groups that routing forms by itself; logical models carry their own. */
  weight: z.number().positive().max(1_000_000).default(1),
  region: z.string().min(1).max(63).optional(),
  /** Statuses that move a request to the next candidate, replacing the built-in judgement. */
  retryableStatusCodes: z.array(z.int().min(400).max(599)).max(50).optional(),
  /** Requests a second, over the whole fleet. */
  maxQps: z.number().positive().max(1_000_000).optional(),
  /** Requests under way at once, over the whole fleet. */
  maxConcurrency: z.int().positive().max(1_000_000).optional(),
  /** Price in US dollars per million input and output tokens. */
  costInput: z.number().nonnegative().max(1_000_000).optional(),
  costOutput: z.number().nonnegative().max(1_000_000).optional(),
})
export type ProviderRouting = z.infer<typeof ProviderRouting>

export const ProviderModels = z.strictObject({
  /** Path of the model list below the base URL. */
  path: z.string().startsWith('/').max(500).default('/models'),
  /** Models the operator names; a non-empty list replaces asking the provider. */
  static: z
    .array(z.string().refine(isModelName, 'must be 1-200 characters without spaces or quotes'))
    .max(5_000)
    .default([]),
})
export type ProviderModels = z.infer<typeof ProviderModels>

/** `declared` entities came from the environment or the file and are retired with their declaration. */
export const Origin = z.enum(['api', 'declared'])
export type Origin = z.infer<typeof Origin>

/** What a provider speaks natively, the best first; empty: what its kind and host are known for. */
export const ProviderDialects = z.array(Dialect).max(4)

export const ProviderDefinition = z.strictObject({
  name: z.string().min(1).max(200),
  kind: ProviderKind,
  baseUrl: BaseUrl,
  dialects: ProviderDialects.optional(),
  /** What its models take, where that is not what is known of them. */
  capabilities: CapabilityRules.optional(),
  /** What its models cost, where that is not what its routing or the public list says. */
  prices: UpstreamPrices.optional(),
  /** May the address be loopback or private? False for everything made through the API by default. */
  allowPrivate: z.boolean().default(false),
  routing: ProviderRouting.prefault({}),
  timeouts: ProviderTimeouts.prefault({}),
  probe: ProviderProbe.prefault({}),
  models: ProviderModels.prefault({}),
})
export type ProviderDefinition = z.infer<typeof ProviderDefinition>
export type ProviderDefinitionInput = z.input<typeof ProviderDefinition>

/** A secret of the provider, by reference: the log holds its place in the vault and a fingerprint. */
export type Credential = Readonly<{
  id: CredentialId
  secretId: SecretId
  /** Keyed hash of the secret, truncated: tells two secrets apart without telling them. */
  fingerprint: string
  label?: string | undefined
  weight: number
}>

export type ProviderState = 'enabled' | 'disabled' | 'draining'

export type Provider = Readonly<{
  id: ProviderId
  /** Version of its stream; the `expectedVersion` of the next change. */
  version: number
  origin: Origin
  state: ProviderState
  definition: Readonly<ProviderDefinition>
  credentials: readonly Credential[]
  /** Commits that made it and changed it last. */
  createdAt: number
  changedAt: number
}>

const credentialFields = {
  credentialId: z.string().min(1).max(64),
  secretId: z.string().min(1).max(64),
  fingerprint: z.string().min(1).max(64),
}

/** Event type → body schema, today's shape. `definition` parts are always whole, never patches. */
export const providerEvents = {
  ProviderRegistered: z.strictObject({ origin: Origin, definition: ProviderDefinition }),
  ProviderRenamed: z.strictObject({ name: z.string().min(1).max(200) }),
  ProviderEndpointChanged: z.strictObject({ kind: ProviderKind, baseUrl: BaseUrl }),
  ProviderDialectsSet: z.strictObject({ dialects: ProviderDialects }),
  ProviderCapabilitiesSet: z.strictObject({ capabilities: CapabilityRules }),
  UpstreamPricesSet: z.strictObject({ prices: UpstreamPrices }),
  ProviderEgressPolicySet: z.strictObject({ allowPrivate: z.boolean() }),
  ProviderRoutingSet: z.strictObject({ routing: ProviderRouting }),
  ProviderTimeoutsSet: z.strictObject({ timeouts: ProviderTimeouts }),
  ProviderProbeConfigured: z.strictObject({ probe: ProviderProbe }),
  ProviderModelsDeclared: z.strictObject({ models: ProviderModels }),
  ProviderEnabled: z.strictObject({}),
  ProviderDisabled: z.strictObject({}),
  ProviderDrainStarted: z.strictObject({}),
  ProviderDrainCancelled: z.strictObject({}),
  ProviderRemoved: z.strictObject({}),
  CredentialAdded: z.strictObject({
    ...credentialFields,
    label: z.string().min(1).max(200).optional(),
    weight: z.number().positive().max(1_000_000),
  }),
  CredentialRotated: z.strictObject(credentialFields),
  CredentialRevoked: z.strictObject({ credentialId: z.string().min(1).max(64) }),
}
