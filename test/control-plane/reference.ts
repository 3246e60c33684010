/**
 * What a configuration should be, as plain maps, and what one change to it must lead to.
 */
import * as fc from 'fast-check'
import type { AdminApi } from './admin-plane.ts'
import type { Outcome } from '#control-plane/commands/ledger.ts'

export type Target = Readonly<{ provider: string; model: string; weight: number; tier: number }>
export type Provider = {
  state: 'enabled' | 'disabled' | 'draining'
  name: string
  weight: number
  credentials: readonly string[]
}
export type Model = { targets: readonly Target[]; aliases: readonly string[] }
export type Key = { state: 'active' | 'suspended' | 'revoked'; name: string; expiresAt: number | null }

/** What should be. Names carry the run's prefix: the log goes on from run to run. */
export type Reference = {
  readonly prefix: string
  readonly providers: Map<string, Provider>
  readonly models: Map<string, Model>
  readonly keys: Map<string, Key>
  /** By stream; they outlive what they count. */
  readonly versions: Map<string, number>
  head: number
  readonly done: { again: () => Promise<Outcome>; answer: Outcome }[]
}
/** What a change must lead to. */
export type Expected =
  | Readonly<{ refusal: string; current?: number }>
  | Readonly<{ stream: string; events: readonly string[]; apply: (ids: Outcome['ids']) => void }>

export const refuse = (refusal: string, current?: number): Expected => ({
  refusal,
  ...(current === undefined ? {} : { current }),
})
export const nothing = (stream: string): Expected => ({ stream, events: [], apply: () => undefined })
export const versionOf = (reference: Reference, stream: string): number => reference.versions.get(stream) ?? 0

export type Tagged = Readonly<{ commandId: string }>
/** One kind of change with its arguments: what is sent, and what the reference says to it. */
export type Step = Readonly<{
  say: string
  plan: (
    reference: Reference,
  ) => Readonly<{ send: (api: AdminApi, tag: Tagged) => Promise<Outcome>; expected: Expected }>
}>

/** How far the caller's version is from the true one. */
export const offset = fc.constantFrom(0, 0, 0, 0, 0, -1, 1)
export const seldom = fc.constantFrom(false, false, false, false, false, true)
/** Few names, so that changes meet each other. */
export const slug = fc.constantFrom('a', 'a', 'b', 'b', 'c')
export const text = fc.constantFrom('A', 'B')
/** The entity a change is about, or why it cannot be changed. */
export function found<Entity>(
  entities: ReadonlyMap<string, Entity>,
  id: string,
  version: number,
  expectedVersion: number,
  go: (entity: Entity) => Expected,
): Expected {
  const entity = entities.get(id)
  if (entity === undefined) return refuse('not_found')
  return version === expectedVersion ? go(entity) : refuse('conflict', version)
}

/** The smallest version there is, so that a version is never refused for its form. */
export const seen = (version: number, by: number): number => Math.max(1, version + by)
