/**
 * Changes of logical models with random arguments, and what the reference says to each.
 */
import * as fc from 'fast-check'
import {
  found,
  nothing,
  offset,
  refuse,
  seen,
  slug,
  versionOf,
  type Expected,
  type Reference,
  type Step,
  type Target,
} from './reference.ts'

export const name = fc.constantFrom('fast', 'fast', 'x/y')
const target = fc.record({
  provider: slug,
  model: fc.constantFrom('m', 'm', 'n'),
  weight: fc.integer({ min: 0, max: 3 }),
  tier: fc.integer({ min: 0, max: 1 }),
})

/** Do the targets name providers there are, each only once? */
function areSound({ providers }: Reference, targets: readonly Target[]): boolean {
  const names = targets.map(({ provider, model }) => `${provider} ${model}`)
  return targets.every(({ provider }) => providers.has(provider)) && new Set(names).size === names.length
}

/** The model that has a name, as its own or as an alias. */
const ownerOf = ({ models }: Reference, wanted: string): string | undefined =>
  [...models].find(([own, { aliases }]) => own === wanted || aliases.includes(wanted))?.[0]

const prefixed = (reference: Reference, targets: readonly Target[]): readonly Target[] =>
  targets.map((one) => ({ ...one, provider: `${reference.prefix}${one.provider}` }))

export const targetsOf = fc.array(target, { minLength: 1, maxLength: 2 })

export const create = (short: string, rough: readonly Target[], other: string | null): Step => ({
  say: `create(${short}, ${rough.length} targets, ${other})`,
  plan: (reference) => {
    const [model, aliases] = [
      `${reference.prefix}${short}`,
      other === null ? [] : [`${reference.prefix}${other}`],
    ]
    const targets = prefixed(reference, rough)
    const stream = `model-${model}`
    const expected = (): Expected => {
      if (reference.models.has(model)) return refuse('exists', versionOf(reference, stream))
      const isTaken =
        [model, ...aliases].some((one) => ownerOf(reference, one) !== undefined) || aliases.includes(model)
      if (isTaken || !areSound(reference, targets)) return refuse('invalid')
      return {
        stream,
        events: ['LogicalModelCreated'],
        apply: () => void reference.models.set(model, { targets, aliases }),
      }
    }
    return {
      expected: expected(),
      send: (api, tag) => api.models.create({ name: model, targets: [...targets], aliases, ...tag }),
    }
  },
})

export const retarget = fc
  .tuple(name, targetsOf, fc.boolean(), offset)
  .map(([short, rough, onlyWeights, by]): Step => ({
    say: `${onlyWeights ? 'setWeights' : 'setTargets'}(${short}, ${JSON.stringify(rough)}, ${by})`,
    plan: (reference) => {
      const model = `${reference.prefix}${short}`
      const stream = `model-${model}`
      const expectedVersion = seen(versionOf(reference, stream), by)
      const targets = prefixed(reference, rough)
      const expected = found(
        reference.models,
        model,
        versionOf(reference, stream),
        expectedVersion,
        (known) => {
          if (!onlyWeights) {
            if (!areSound(reference, targets)) return refuse('invalid')
            if (JSON.stringify(targets) === JSON.stringify(known.targets)) return nothing(stream)
            return {
              stream,
              events: ['RouteTargetsSet'],
              apply: () => void reference.models.set(model, { ...known, targets }),
            }
          }
          const same = (a: Target, b: Target): boolean => a.provider === b.provider && a.model === b.model
          const isDoubled = targets.some((one, at) => targets.slice(0, at).some((other) => same(other, one)))
          if (isDoubled || !targets.every((one) => known.targets.some((old) => same(old, one))))
            return refuse('invalid')
          const next = known.targets.map((old) => ({
            ...old,
            weight: targets.find((one) => same(old, one))?.weight ?? old.weight,
          }))
          if (JSON.stringify(next) === JSON.stringify(known.targets)) return nothing(stream)
          return {
            stream,
            events: ['RouteWeightsSet'],
            apply: () => void reference.models.set(model, { ...known, targets: next }),
          }
        },
      )
      const common = { name: model, expectedVersion }
      return {
        expected,
        send: (api, tag) =>
          onlyWeights
            ? api.models.setWeights({
                ...common,
                weights: targets.map(({ provider, model: to, weight }) => ({ provider, model: to, weight })),
                ...tag,
              })
            : api.models.setTargets({ ...common, targets: [...targets], ...tag }),
      }
    },
  }))

export const alias = fc
  .tuple(fc.constantFrom('addAlias', 'removeAlias', 'retire'), name, name, offset)
  .map(([verb, short, other, by]): Step => ({
    say: `${verb}(${short}, ${other}, ${by})`,
    plan: (reference) => {
      const [model, called] = [`${reference.prefix}${short}`, `${reference.prefix}${other}`]
      const stream = `model-${model}`
      const expectedVersion = seen(versionOf(reference, stream), by)
      const expected = found(
        reference.models,
        model,
        versionOf(reference, stream),
        expectedVersion,
        (known) => {
          const put = (aliases: readonly string[]) => void reference.models.set(model, { ...known, aliases })
          if (verb === 'retire')
            return {
              stream,
              events: ['LogicalModelRetired'],
              apply: () => void reference.models.delete(model),
            }
          const has = known.aliases.includes(called)
          if (verb === 'removeAlias') {
            if (!has) return nothing(stream)
            return {
              stream,
              events: ['LogicalModelAliasRemoved'],
              apply: () => put(known.aliases.filter((one) => one !== called)),
            }
          }
          if (has) return nothing(stream)
          if (ownerOf(reference, called) !== undefined) return refuse('invalid')
          return { stream, events: ['LogicalModelAliasAdded'], apply: () => put([...known.aliases, called]) }
        },
      )
      const common = { name: model, expectedVersion }
      return {
        expected,
        send: (api, tag) =>
          verb === 'retire'
            ? api.models.retire({ ...common, ...tag })
            : api.models[verb]({ ...common, alias: called, ...tag }),
      }
    },
  }))
