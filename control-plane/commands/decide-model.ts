/**
 * Commands about logical models. A name belongs to one model, as its own or as an alias; every target names
 * a provider that exists.
 *
 * Pure.
 */
import { canonical } from '#contracts/canonical.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { Limits } from '#contracts/catalog/limits.ts'
import type { LogicalModel, RouteTarget, RoutingStrategy } from '#contracts/catalog/model.ts'
import type { Origin } from '#contracts/catalog/provider.ts'
import { modelStream, type ModelName, type ProviderId } from '#contracts/ids.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { ModelCommand, WantedModel } from './command.ts'
import type { Decision } from './decide.ts'
import type { Issue, Rejection } from './rejection.ts'

export function decideModel(catalog: Catalog, command: ModelCommand): Decision {
  if (command.type === 'CreateModel') {
    const { name, targets, aliases } = command
    const issues = [...targetIssues(catalog.providers, targets), ...aliasIssues(catalog, name, aliases)]
    const known = catalog.models.get(name)
    if (known !== undefined) return err({ kind: 'exists', what: `model ${name}`, version: known.version })
    const owner = ownerOf(catalog, name)
    if (owner !== undefined) issues.unshift({ path: 'name', message: `is an alias of model ${owner}` })
    return issues.length > 0 ? err({ kind: 'invalid', issues }) : ok(created('api', command))
  }
  const found = expectModel(catalog, command.name, command.expectedVersion)
  return found.ok ? change(catalog, found.value, command) : found
}

function change(
  catalog: Catalog,
  model: LogicalModel,
  command: Exclude<ModelCommand, { type: 'CreateModel' }>,
): Decision {
  const stream = modelStream(model.name)
  switch (command.type) {
    case 'SetTargets': {
      const issues = targetIssues(catalog.providers, command.targets)
      if (issues.length > 0) return err({ kind: 'invalid', issues })
      return ok(targetsChanged(model, command.targets))
    }
    case 'SetWeights':
      return setWeights(model, command.weights)
    case 'SetStrategy':
      return ok(strategyChanged(model, command.strategy))
    case 'SetRegion':
      return ok(regionChanged(model, command.region))
    case 'SetLimits':
      return ok(limitsChanged(model, command.limits))
    case 'AddAlias': {
      const { alias } = command
      if (model.aliases.includes(alias)) return ok([])
      const issues = aliasIssues(catalog, model.name, [alias])
      if (issues.length > 0)
        return err({ kind: 'invalid', issues: issues.map((issue) => ({ ...issue, path: 'alias' })) })
      return ok([{ type: 'LogicalModelAliasAdded', stream, body: { alias } }])
    }
    case 'RemoveAlias': {
      const { alias } = command
      return ok(
        model.aliases.includes(alias) ? [{ type: 'LogicalModelAliasRemoved', stream, body: { alias } }] : [],
      )
    }
    case 'RetireModel':
      return ok([{ type: 'LogicalModelRetired', stream, body: {} }])
    default:
      return command satisfies never
  }
}

function setWeights(
  model: LogicalModel,
  weights: Extract<ModelCommand, { type: 'SetWeights' }>['weights'],
): Decision {
  const issues = weights.flatMap(({ provider, model: name }, at): Issue[] => {
    const path = `weights[${at}]`
    if (!hasTarget(model.targets, provider, name))
      return [{ path, message: 'names a target the model does not have' }]
    return hasTarget(weights.slice(0, at), provider, name)
      ? [{ path, message: 'names the same target as an earlier weight' }]
      : []
  })
  if (issues.length > 0) return err({ kind: 'invalid', issues })
  const isSo = weights.every(({ provider, model: name, weight }) =>
    model.targets.some((one) => one.provider === provider && one.model === name && one.weight === weight),
  )
  if (isSo) return ok([])
  return ok([{ type: 'RouteWeightsSet', stream: modelStream(model.name), body: { weights: [...weights] } }])
}

function expectModel(catalog: Catalog, name: ModelName, expected: number): Result<LogicalModel, Rejection> {
  const model = catalog.models.get(name)
  if (model === undefined) return err({ kind: 'not_found', what: `model ${name}` })
  if (model.version !== expected) {
    return err({ kind: 'conflict', what: `model ${name}`, expected, current: model.version })
  }
  return ok(model)
}

export function created(
  origin: Origin,
  { name, targets, aliases, strategy, region, limits }: WantedModel,
): readonly CatalogEvent[] {
  const stream = modelStream(name)
  const body = {
    name,
    origin,
    targets: [...targets],
    aliases: [...aliases],
    ...(strategy === null ? {} : { strategy }),
    ...(region === null ? {} : { region }),
  }
  const limited: CatalogEvent[] =
    limits === null ? [] : [{ type: 'LogicalModelLimitsSet', stream, body: { limits } }]
  return [{ type: 'LogicalModelCreated', stream, body }, ...limited]
}

export function strategyChanged(model: LogicalModel, strategy: RoutingStrategy): readonly CatalogEvent[] {
  if ((model.strategy ?? 'balanced') === strategy) return []
  return [{ type: 'RoutingStrategySet', stream: modelStream(model.name), body: { strategy } }]
}

export function regionChanged(model: LogicalModel, region: string | null): readonly CatalogEvent[] {
  if ((model.region ?? null) === region) return []
  return [{ type: 'RegionPreferenceSet', stream: modelStream(model.name), body: { region } }]
}

export function limitsChanged(model: LogicalModel, limits: Limits): readonly CatalogEvent[] {
  if (canonical(model.limits ?? {}) === canonical(limits)) return []
  return [{ type: 'LogicalModelLimitsSet', stream: modelStream(model.name), body: { limits } }]
}

export function targetsChanged(
  model: LogicalModel,
  targets: readonly RouteTarget[],
): readonly CatalogEvent[] {
  if (canonical(model.targets) === canonical(targets)) return []
  return [{ type: 'RouteTargetsSet', stream: modelStream(model.name), body: { targets: [...targets] } }]
}

const hasTarget = (
  targets: readonly Readonly<{ provider: string; model: string }>[],
  provider: string,
  model: string,
): boolean => targets.some((target) => target.provider === provider && target.model === model)

/** @param providers the providers there are: anything that knows its ids. */
export function targetIssues(
  providers: Readonly<{ has(id: ProviderId): boolean }>,
  targets: readonly RouteTarget[],
): Issue[] {
  return targets.flatMap(({ provider, model }, at): Issue[] => {
    if (!providers.has(provider)) {
      return [{ path: `targets[${at}].provider`, message: `no provider ${provider}` }]
    }
    return hasTarget(targets.slice(0, at), provider, model)
      ? [{ path: `targets[${at}]`, message: 'names the same provider and model as an earlier target' }]
      : []
  })
}

function aliasIssues(catalog: Catalog, name: ModelName, aliases: readonly ModelName[]): Issue[] {
  return aliases.flatMap((alias, at): Issue[] => {
    const path = `aliases[${at}]`
    if (alias === name || aliases.indexOf(alias) !== at) return [{ path, message: 'is named twice' }]
    const owner = catalog.models.has(alias) ? alias : ownerOf(catalog, alias)
    return owner === undefined || owner === name ? [] : [{ path, message: `belongs to model ${owner}` }]
  })
}

/** @returns the model that has the name as an alias. */
function ownerOf(catalog: Catalog, alias: ModelName): ModelName | undefined {
  for (const model of catalog.models.values()) if (model.aliases.includes(alias)) return model.name
  return undefined
}
