/**
 * Two states of the configuration, compared, in words a person reads.
 *
 * Pure.
 */
import type { Catalog, Frozen } from '#contracts/catalog/catalog.ts'
import {
  budgetStream,
  clientKeyStream,
  modelStream,
  providerStream,
  SYSTEM_STREAM,
  type StreamId,
} from '#contracts/ids.ts'
import { budgetFields, keyFields, modelFields, providerFields, type Field } from './fields.ts'
import { entityName } from './words.ts'

export type EntityDiff = Readonly<{
  stream: StreamId
  /** `provider openai`. */
  entity: string
  change: 'added' | 'removed' | 'changed'
  /** `weight: 1 → 3`; of what was added or removed, all it has. */
  words: readonly string[]
}>

/** @returns what there is to tell of going from one to the other, in the order of the streams' names. */
export function diffCatalogs(before: Catalog, after: Catalog): readonly EntityDiff[] {
  const diffs = [
    ...changes(before.providers, after.providers, providerStream, providerFields),
    ...changes(before.models, after.models, modelStream, modelFields),
    ...changes(before.keys, after.keys, clientKeyStream, keyFields),
    ...changes(before.budgets, after.budgets, budgetStream, budgetFields),
    ...changes(systemOf(before), systemOf(after), () => SYSTEM_STREAM, systemFields),
    ...changes(before.frozen, after.frozen, (stream) => stream, frozenFields),
  ]
  return diffs.toSorted((a, b) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0))
}

function changes<Id, Entity>(
  before: ReadonlyMap<Id, Entity>,
  after: ReadonlyMap<Id, Entity>,
  streamOf: (id: Id) => StreamId,
  fieldsOf: (entity: Entity) => readonly Field[],
): EntityDiff[] {
  if (before === after) return []
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((id) => {
    const [earlier, later] = [before.get(id), after.get(id)]
    if (earlier === later) return []
    const words = compareFields(
      earlier === undefined ? [] : fieldsOf(earlier),
      later === undefined ? [] : fieldsOf(later),
    )
    // Only its place in the log moved: changed and changed back.
    if (words.length === 0) return []
    const change = earlier === undefined ? 'added' : later === undefined ? 'removed' : 'changed'
    const stream = streamOf(id)
    return [{ stream, entity: entityName(stream), change, words } satisfies EntityDiff]
  })
}

function compareFields(before: readonly Field[], after: readonly Field[]): readonly string[] {
  const earlier = new Map(before)
  const later = new Map(after)
  return [...new Set([...earlier.keys(), ...later.keys()])].flatMap((label) => {
    const [from, to] = [earlier.get(label) ?? null, later.get(label) ?? null]
    if (from === to) return []
    if (from === null) return [`${label}: ${to}`]
    return [`${label}: ${from} → ${to ?? 'none'}`]
  })
}

type System = Pick<Catalog, 'epoch' | 'genesis' | 'floor'>

const systemOf = ({ commit, epoch, genesis, floor }: Catalog): ReadonlyMap<string, System> =>
  new Map(commit === 0 ? [] : [['system', { epoch, genesis, floor }]])

const systemFields = ({ epoch, genesis, floor }: System): readonly Field[] => [
  ['epoch', String(epoch)],
  ['fold version needed', floor === 0 ? null : String(floor)],
  ['log', genesis?.logId ?? null],
  ['master key', genesis?.keyCheck ?? null],
]

const frozenFields = ({ commit, type, reason }: Frozen): readonly Field[] => [
  ['frozen', `at commit ${commit}, by ${type}: ${reason}`],
]
