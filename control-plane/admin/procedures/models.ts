/**
 * Logical models: the names clients use, and the deployments behind them.
 */
import { z } from 'zod'
import { Limits } from '#contracts/catalog/limits.ts'
import {
  LogicalModelDefinition,
  RegionName,
  RoutingStrategy,
  ModelNameText,
  modelEvents,
  type RouteTarget,
} from '#contracts/catalog/model.ts'
import { modelName, providerId } from '#contracts/ids.ts'
import type { AdminContext } from '../context.ts'
import { procedure, refused, router } from '../trpc.ts'
import { asking, carryOut, catalogAt, changing, expecting, page, paging } from '../change.ts'
import { resolveName, type ResolveView } from '../../explain/resolve-name.ts'

const existing = { name: ModelNameText, ...expecting, ...changing }

const target = ({ provider, ...rest }: z.infer<typeof RouteTarget>): RouteTarget => ({
  provider: providerId(provider),
  ...rest,
})

const viewOf = ({ discovery, weights }: AdminContext): ResolveView => ({
  seen: (id) => {
    const standing = discovery.standing(id)
    return standing === null ? null : { models: standing.list?.models ?? null, problem: standing.problem }
  },
  factor: (provider, model) => weights.of(provider, model),
})

export const models = router({
  list: procedure
    .meta({ description: 'Logical models, in the order of their names.' })
    .input(z.strictObject({ ...paging, ...asking }).prefault({}))
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      const { items, next } = page(catalog.models, input)
      return { commitNo: catalog.commit, models: items, next }
    }),

  get: procedure
    .meta({ description: 'One logical model.' })
    .input(z.strictObject({ name: ModelNameText, ...asking }))
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      const model = catalog.models.get(modelName(input.name))
      if (model === undefined) throw refused({ kind: 'not_found', what: `model ${input.name}` })
      return { commitNo: catalog.commit, model }
    }),

  resolve: procedure
    .meta({
      description: 'Who would serve a name: every candidate with what decides, and why the others are out.',
    })
    .input(z.strictObject({ name: ModelNameText, ...asking }))
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      return { commitNo: catalog.commit, ...resolveName(catalog, input.name, viewOf(ctx)) }
    }),

  create: procedure
    .meta({ description: 'Create a logical model.' })
    .input(z.strictObject({ name: ModelNameText, ...LogicalModelDefinition.shape, ...changing }))
    .mutation(({ ctx, input }) => {
      const name = modelName(input.name)
      const { strategy = null, region = null, limits = null } = input
      const wanted = {
        targets: input.targets.map(target),
        aliases: input.aliases.map(modelName),
        strategy,
        region,
        limits,
      }
      const command = { type: 'CreateModel', name, ...wanted } as const
      return carryOut(ctx, input, { command, ids: { model: name } })
    }),

  setTargets: procedure
    .meta({ description: 'Replace all targets of a model at once.' })
    .input(z.strictObject({ ...existing, targets: LogicalModelDefinition.shape.targets }))
    .mutation(({ ctx, input }) => {
      const { expectedVersion } = input
      const name = modelName(input.name)
      const command = {
        type: 'SetTargets',
        name,
        targets: input.targets.map(target),
        expectedVersion,
      } as const
      return carryOut(ctx, input, { command, ids: { model: name } })
    }),

  setWeights: procedure
    .meta({ description: 'New weights of targets a model has; the others keep theirs.' })
    .input(z.strictObject({ ...existing, weights: modelEvents.RouteWeightsSet.shape.weights }))
    .mutation(({ ctx, input }) => {
      const { expectedVersion } = input
      const name = modelName(input.name)
      const weights = input.weights.map((one) => ({ ...one, provider: providerId(one.provider) }))
      const command = { type: 'SetWeights', name, weights, expectedVersion } as const
      return carryOut(ctx, input, { command, ids: { model: name } })
    }),

  setStrategy: procedure
    .meta({ description: 'What decides within a tier: the weights, latency or cost.' })
    .input(z.strictObject({ ...existing, strategy: RoutingStrategy }))
    .mutation(({ ctx, input }) => {
      const { strategy, expectedVersion } = input
      const name = modelName(input.name)
      const command = { type: 'SetStrategy', name, strategy, expectedVersion } as const
      return carryOut(ctx, input, { command, ids: { model: name } })
    }),

  setRegion: procedure
    .meta({ description: 'Prefer targets in a region within their tier; null: prefer none.' })
    .input(z.strictObject({ ...existing, region: RegionName.nullable() }))
    .mutation(({ ctx, input }) => {
      const { region, expectedVersion } = input
      const name = modelName(input.name)
      const command = { type: 'SetRegion', name, region, expectedVersion } as const
      return carryOut(ctx, input, { command, ids: { model: name } })
    }),

  setLimits: procedure
    .meta({
      description: 'Limit what all clients together may send to a model; what is left out is not limited.',
    })
    .input(z.strictObject({ ...existing, limits: Limits }))
    .mutation(({ ctx, input }) => {
      const { limits, expectedVersion } = input
      const name = modelName(input.name)
      const command = { type: 'SetLimits', name, limits, expectedVersion } as const
      return carryOut(ctx, input, { command, ids: { model: name } })
    }),

  addAlias: alias('AddAlias', 'Give a model another name.'),
  removeAlias: alias('RemoveAlias', 'Take one of its other names from a model.'),

  retire: procedure
    .meta({ description: 'Retire a model: its names answer nobody any more.' })
    .input(z.strictObject(existing))
    .mutation(({ ctx, input }) => {
      const { expectedVersion } = input
      const name = modelName(input.name)
      return carryOut(ctx, input, {
        command: { type: 'RetireModel', name, expectedVersion },
        ids: { model: name },
      })
    }),
})

function alias(type: 'AddAlias' | 'RemoveAlias', description: string) {
  return procedure
    .meta({ description })
    .input(z.strictObject({ ...existing, alias: ModelNameText }))
    .mutation(({ ctx, input }) => {
      const { expectedVersion } = input
      const name = modelName(input.name)
      const command = { type, name, alias: modelName(input.alias), expectedVersion } as const
      return carryOut(ctx, input, { command, ids: { model: name } })
    })
}
