/**
 * A logical model: the public name clients use, and the deployments behind it.
 *
 * Pure. One stream holds the model with all its targets, so that a set of weights changes in one event.
 */
import { z } from 'zod'
import { isModelName, type ModelName, type ProviderId } from '../ids.ts'
import { Limits } from './limits.ts'
import { Origin, ProviderIdText, ProviderTimeouts } from './provider.ts'

export const ModelNameText = z
  .string()
  .refine(isModelName, 'must be 1-200 characters without spaces, quotes or backslashes')

/** What of the provider's deadlines is another one here. How long connecting may take is the host's business. */
const { answerMs, firstTokenMs, idleMs } = ProviderTimeouts.shape
const TargetTimeouts = z.strictObject({
  answerMs: answerMs.unwrap().optional(),
  firstTokenMs: firstTokenMs.unwrap().optional(),
  idleMs: idleMs.unwrap().optional(),
})

export const RouteTarget = z.strictObject({
  provider: ProviderIdText,
  /** Model name the provider knows. */
  model: ModelNameText,
  /** Operator weight, the share inside its tier; 0 drains the target. */
  weight: z.number().nonnegative().max(1_000_000).default(1),
  /** Failover order: 0 is preferred, the next tier is reached only when this one cannot serve. */
  tier: z.int().min(0).max(99).default(0),
  timeouts: TargetTimeouts.optional(),
})
export type RouteTarget = Readonly<Omit<z.infer<typeof RouteTarget>, 'provider'> & { provider: ProviderId }>

const targets = z.array(RouteTarget).min(1).max(200)
const aliases = z.array(ModelNameText).max(100)

/**
 * What decides within a tier, besides health: `balanced`, the weights as the operator set them; `latency`,
 * quicker targets preferred; `cost`, cheaper ones preferred; `weights`, the weights alone, whatever the prober
 * says.
 */
export const RoutingStrategy = z.enum(['balanced', 'latency', 'cost', 'weights'])
export type RoutingStrategy = z.infer<typeof RoutingStrategy>

/** Targets in this region are preferred to others of their tier. */
export const RegionName = z.string().min(1).max(63)

export const LogicalModelDefinition = z.strictObject({
  targets,
  aliases: aliases.default([]),
  strategy: RoutingStrategy.optional(),
  region: RegionName.optional(),
  limits: Limits.optional(),
})

export type LogicalModel = Readonly<{
  name: ModelName
  version: number
  origin: Origin
  targets: readonly RouteTarget[]
  aliases: readonly ModelName[]
  /** Absent: `balanced`. */
  strategy?: RoutingStrategy | undefined
  /** Absent or null: none is preferred. */
  region?: string | null | undefined
  /** Of all clients together. Absent: none. */
  limits?: Limits | undefined
  createdAt: number
  changedAt: number
}>

export const modelEvents = {
  LogicalModelCreated: z.strictObject({
    name: ModelNameText,
    origin: Origin,
    targets,
    aliases,
    strategy: RoutingStrategy.optional(),
    region: RegionName.optional(),
  }),
  RouteTargetsSet: z.strictObject({ targets }),
  /** New weights of targets the model already has; the others keep theirs. */
  RouteWeightsSet: z.strictObject({
    weights: z
      .array(
        z.strictObject({
          provider: ProviderIdText,
          model: ModelNameText,
          weight: z.number().nonnegative().max(1_000_000),
        }),
      )
      .min(1)
      .max(200),
  }),
  RoutingStrategySet: z.strictObject({ strategy: RoutingStrategy }),
  /** Null: no region is preferred any more. */
  RegionPreferenceSet: z.strictObject({ region: RegionName.nullable() }),
  LogicalModelLimitsSet: z.strictObject({ limits: Limits }),
  LogicalModelAliasAdded: z.strictObject({ alias: ModelNameText }),
  LogicalModelAliasRemoved: z.strictObject({ alias: ModelNameText }),
  LogicalModelRetired: z.strictObject({}),
}
