/**
 * Changes of providers with random arguments, and what the reference says to each.
 */
import * as fc from 'fast-check'
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
  type Step,
} from './reference.ts'

const PRIVATE = 'http://10.0.0.1/v1'
const PUBLIC = 'https://api.example/v1'

export const register = (short: string, called: string, isPrivate: boolean, secrets: number): Step => ({
  say: `register(${short}, ${called}${isPrivate ? ', private' : ''}, ${secrets} secrets)`,
  plan: (reference) => {
    const id = `${reference.prefix}${short}`
    const stream = `provider-${id}`
    const definition = { name: called, kind: 'openai' as const, baseUrl: isPrivate ? PRIVATE : PUBLIC }
    const credentials = Array.from({ length: secrets }, (_, at) => ({ apiKey: `sk-${at}` }))
    const expected = (): Expected => {
      if (reference.providers.has(id)) return refuse('exists', versionOf(reference, stream))
      if (isPrivate) return refuse('invalid')
      return {
        stream,
        events: ['ProviderRegistered', ...credentials.map(() => 'CredentialAdded')],
        apply: (ids) => {
          const made = credentials.map((_, at) => ids[`credentials[${at}]`] ?? '')
          reference.providers.set(id, { state: 'enabled', name: called, weight: 1, credentials: made })
        },
      }
    }
    return {
      expected: expected(),
      send: (api, tag) => api.providers.register({ id, definition, credentials, ...tag }),
    }
  },
})

export const update = fc
  .tuple(slug, fc.option(text), fc.option(fc.integer({ min: 1, max: 2 })), seldom, offset)
  .map(([short, called, weight, isPrivate, by]): Step => ({
    say: `update(${short}, ${called}, ${weight}${isPrivate ? ', private' : ''}, ${by})`,
    plan: (reference) => {
      const id = `${reference.prefix}${short}`
      const stream = `provider-${id}`
      const expectedVersion = seen(versionOf(reference, stream), by)
      const definition = {
        ...(called === null ? {} : { name: called }),
        ...(weight === null ? {} : { routing: { weight } }),
        ...(isPrivate ? { baseUrl: PRIVATE } : {}),
      }
      const expected = found(
        reference.providers,
        id,
        versionOf(reference, stream),
        expectedVersion,
        (provider) => {
          if (isPrivate) return refuse('invalid')
          const next = { ...provider, name: called ?? provider.name, weight: weight ?? provider.weight }
          const events = [
            ...(next.name === provider.name ? [] : ['ProviderRenamed']),
            ...(next.weight === provider.weight ? [] : ['ProviderRoutingSet']),
          ]
          return { stream, events, apply: () => void reference.providers.set(id, next) }
        },
      )
      return {
        expected,
        send: (api, tag) => api.providers.update({ id, expectedVersion, definition, ...tag }),
      }
    },
  }))

const STATES = {
  enable: { state: 'enabled', event: 'ProviderEnabled' },
  disable: { state: 'disabled', event: 'ProviderDisabled' },
  drain: { state: 'draining', event: 'ProviderDrainStarted' },
} as const

export const turn = fc
  .tuple(fc.constantFrom('enable', 'disable', 'drain'), slug, offset)
  .map(([verb, short, by]): Step => ({
    say: `${verb}(${short}, ${by})`,
    plan: (reference) => {
      const id = `${reference.prefix}${short}`
      const stream = `provider-${id}`
      const expectedVersion = seen(versionOf(reference, stream), by)
      const { state, event } = STATES[verb]
      const expected = found(
        reference.providers,
        id,
        versionOf(reference, stream),
        expectedVersion,
        (provider) => {
          if (provider.state === state) return nothing(stream)
          const isCancel = verb === 'enable' && provider.state === 'draining'
          return {
            stream,
            events: [isCancel ? 'ProviderDrainCancelled' : event],
            apply: () => void reference.providers.set(id, { ...provider, state }),
          }
        },
      )
      return { expected, send: (api, tag) => api.providers[verb]({ id, expectedVersion, ...tag }) }
    },
  }))

export const remove = fc.tuple(slug, offset).map(([short, by]): Step => ({
  say: `remove(${short}, ${by})`,
  plan: (reference) => {
    const id = `${reference.prefix}${short}`
    const stream = `provider-${id}`
    const expectedVersion = seen(versionOf(reference, stream), by)
    const expected = found(reference.providers, id, versionOf(reference, stream), expectedVersion, () => {
      const isUsed = [...reference.models.values()].some(({ targets }) =>
        targets.some(({ provider }) => provider === id),
      )
      if (isUsed) return refuse('in_use')
      return { stream, events: ['ProviderRemoved'], apply: () => void reference.providers.delete(id) }
    })
    return { expected, send: (api, tag) => api.providers.remove({ id, expectedVersion, ...tag }) }
  },
}))

export const credential = fc
  .tuple(fc.constantFrom('add', 'rotate', 'revoke'), slug, fc.nat(3), offset)
  .map(([verb, short, which, by]): Step => ({
    say: `credentials.${verb}(${short}, ${which}, ${by})`,
    plan: (reference) => {
      const id = `${reference.prefix}${short}`
      const stream = `provider-${id}`
      const expectedVersion = seen(versionOf(reference, stream), by)
      const credentialId = reference.providers.get(id)?.credentials[which] ?? 'cred_none'
      const expected = found(
        reference.providers,
        id,
        versionOf(reference, stream),
        expectedVersion,
        (provider) => {
          const put = (credentials: readonly string[]) =>
            void reference.providers.set(id, { ...provider, credentials })
          const { credentials } = provider
          if (verb === 'add') {
            return {
              stream,
              events: ['CredentialAdded'],
              apply: (ids) => put([...credentials, ids['credential'] ?? '']),
            }
          }
          if (!credentials.includes(credentialId)) return refuse('not_found')
          if (verb === 'rotate') return { stream, events: ['CredentialRotated'], apply: () => undefined }
          return {
            stream,
            events: ['CredentialRevoked'],
            apply: () => put(credentials.filter((one) => one !== credentialId)),
          }
        },
      )
      const common = { id, expectedVersion }
      return {
        expected,
        send: (api, tag) =>
          verb === 'add'
            ? api.providers.credentials.add({ ...common, apiKey: 'sk-new', ...tag })
            : verb === 'rotate'
              ? api.providers.credentials.rotate({ ...common, credentialId, apiKey: 'sk-next', ...tag })
              : api.providers.credentials.revoke({ ...common, credentialId, ...tag }),
      }
    },
  }))
