/**
 * Every change of the admin API with random arguments, some of them stale or senseless, and what a reference
 * of plain maps says to each.
 */
import * as fc from 'fast-check'
import { alias, create, name, retarget, targetsOf } from './model-steps.ts'
import { credential, register, remove, turn, update } from './provider-steps.ts'
import {
  found,
  nothing,
  offset,
  refuse,
  seen,
  seldom,
  slug,
  text,
  versionOf,
  type Expected,
  type Key,
  type Step,
} from './reference.ts'

const issue = text.map((called): Step => ({
  say: `issue(${called})`,
  plan: (reference) => ({
    // The id, and with it the stream, is made by the API: a new one, so its version is 1.
    expected: {
      stream: `new-${reference.keys.size}`,
      events: ['ClientKeyIssued'],
      apply: ({ key = '' }) => {
        reference.keys.set(key, { state: 'active', name: called, expiresAt: null })
        reference.versions.set(`clientkey-${key}`, 1)
      },
    },
    send: (api, tag) => api.keys.issue({ name: called, ...tag }),
  }),
}))

const keyChange = fc
  .tuple(
    fc.constantFrom('rotate', 'setExpiry', 'suspend', 'resume', 'revoke'),
    fc.nat(3),
    fc.constantFrom(null, 2_000_000_000_000),
    offset,
  )
  .map(([verb, which, expiresAt, by]): Step => ({
    say: `keys.${verb}(${which}, ${expiresAt}, ${by})`,
    plan: (reference) => {
      const id = [...reference.keys.keys()][which] ?? 'key_none'
      const stream = `clientkey-${id}`
      const expectedVersion = seen(versionOf(reference, stream), by)
      const expected = found(reference.keys, id, versionOf(reference, stream), expectedVersion, (key) => {
        const become = (event: string, next: Partial<Key>): Expected => ({
          stream,
          events: [event],
          apply: () => void reference.keys.set(id, { ...key, ...next }),
        })
        if (key.state === 'revoked') return verb === 'revoke' ? nothing(stream) : refuse('invalid')
        if (verb === 'rotate') return become('ClientKeyRotated', {})
        if (verb === 'revoke') return become('ClientKeyRevoked', { state: 'revoked' })
        if (verb === 'setExpiry')
          return key.expiresAt === expiresAt ? nothing(stream) : become('ClientKeyExpirySet', { expiresAt })
        const state = verb === 'suspend' ? 'suspended' : 'active'
        if (key.state === state) return nothing(stream)
        return become(verb === 'suspend' ? 'ClientKeySuspended' : 'ClientKeyResumed', { state })
      })
      const common = { id, expectedVersion }
      return {
        expected,
        send: (api, tag) =>
          verb === 'setExpiry'
            ? api.keys.setExpiry({ ...common, expiresAt, ...tag })
            : api.keys[verb]({ ...common, ...tag }),
      }
    },
  }))

/** Kinds of change; those that others need come up more often. */
export const anyStep: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(slug, text, seldom, fc.integer({ min: 0, max: 2 })).map((args) => register(...args)),
  update,
  turn,
  remove,
  credential,
  credential,
  fc.tuple(name, targetsOf, fc.option(name)).map((args) => create(...args)),
  retarget,
  retarget,
  alias,
  alias,
  issue,
  keyChange,
  keyChange,
]

/** Something to change, to begin with. */
export const OPENING: readonly Step[] = [
  register('a', 'A', false, 1),
  register('b', 'B', false, 0),
  create(
    'fast',
    [
      { provider: 'a', model: 'm', weight: 1, tier: 0 },
      { provider: 'b', model: 'm', weight: 2, tier: 1 },
    ],
    null,
  ),
]
