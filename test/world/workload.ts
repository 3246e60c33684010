/**
 * What operators wish for while a world goes wrong around them: commands of every kind, sent again under the
 * same id until they are answered, sometimes by way of another control plane.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { PLAIN_TERMS } from '#contracts/catalog/client-key.ts'
import { ProviderDefinition } from '#contracts/catalog/provider.ts'
import { credentialId, keyId, modelName, providerId, secretId, type KeyId } from '#contracts/ids.ts'
import { clientKeyDigest, deriveKeys } from '#contracts/security/master-key.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import { Secret } from '#contracts/security/secret.ts'
import type { Command, NewCredential } from '#control-plane/commands/command.ts'
import type { Outcome, Request } from '#control-plane/commands/ledger.ts'
import type { Rejection } from '#control-plane/commands/rejection.ts'
import type { Result } from '#contracts/result.ts'
import type { Dice } from './parts/dice.ts'

export const KEYS = deriveKeys(Buffer.alloc(32, 7))

/** Made once for all worlds: sealing is what costs most. */
const sealed = new Map<number, string>()
const digests = new Map<number, string>()

const PROVIDERS = ['a', 'b', 'c', 'd'] as const
const MODELS = ['fast', 'smart'] as const

export type Wish = Readonly<{ request: Request; needs: 'any' | 'now' }>

/** What came of a wish that was answered. */
export type Answered = Result<Outcome, Rejection>

export class Workload {
  readonly #dice: Dice
  readonly #tokens = new Map<KeyId, string>()
  #made = 0

  constructor(dice: Dice) {
    this.#dice = dice
  }

  /** Every key ever issued, with what its client sends. */
  get tokens(): ReadonlyMap<KeyId, string> {
    return this.#tokens
  }

  /** What everything begins with. */
  opening(): readonly Wish[] {
    return [
      this.#wish({ type: 'CreateGenesis', logId: 'world', keyCheck: KEYS.check }),
      this.#register('a'),
      this.#issue(),
    ]
  }

  wish(command: Command): Wish {
    return this.#wish(command)
  }

  /** One wish on the catalog as somebody may have seen it. */
  next(catalog: Catalog): Wish {
    const dice = this.#dice
    switch (
      dice.weighted({ register: 2, update: 3, turn: 2, remove: 1, secret: 2, model: 3, issue: 3, key: 5 })
    ) {
      case 'register':
        return this.#register(dice.of(PROVIDERS))
      case 'update':
        return this.#update(catalog)
      case 'turn': {
        const type = dice.of(['EnableProvider', 'DisableProvider', 'DrainProvider'] as const)
        const id = providerId(dice.of(PROVIDERS))
        return this.#wish({ type, id, expectedVersion: this.#seen(catalog.providers.get(id)) })
      }
      case 'remove': {
        const id = providerId(dice.of(PROVIDERS.slice(1)))
        return this.#wish({
          type: 'RemoveProvider',
          id,
          expectedVersion: this.#seen(catalog.providers.get(id)),
        })
      }
      case 'secret':
        return this.#secret(catalog)
      case 'model':
        return this.#model(catalog)
      case 'issue':
        return this.#issue()
      case 'key':
        return this.#key(catalog)
    }
  }

  #register(id: string): Wish {
    const credentials = this.#dice.chance(0.5) ? [this.#credential()] : []
    return this.#wish({
      type: 'RegisterProvider',
      id: providerId(id),
      definition: definitionOf(id, 1),
      credentials,
    })
  }

  /** Also what a release before did not know: see `MIXED` in `mixed.ts`. */
  #update(catalog: Catalog): Wish {
    const dice = this.#dice
    const id = providerId(dice.of(PROVIDERS))
    const provider = catalog.providers.get(id)
    const isNew = dice.chance(0.5)
    const definition = provider?.definition ?? definitionOf(id, 1)
    const timeouts = { ...definition.timeouts, firstTokenMs: 1_000 * (1 + dice.below(50)) }
    const changed = isNew
      ? { ...definition, timeouts }
      : { ...definition, routing: { ...definition.routing, weight: 1 + dice.below(9) } }
    const expectedVersion = this.#seen(provider)
    return this.#wish(
      { type: 'UpdateProvider', id, definition: changed, expectedVersion },
      isNew ? 'now' : 'any',
    )
  }

  #secret(catalog: Catalog): Wish {
    const dice = this.#dice
    const id = providerId(dice.of(PROVIDERS))
    const provider = catalog.providers.get(id)
    const expectedVersion = this.#seen(provider)
    const held = provider?.credentials ?? []
    const type = dice.of(['AddCredential', 'RotateCredential', 'RevokeCredential'] as const)
    const old = held.length === 0 ? credentialId('cred_none') : dice.of(held).id
    if (type === 'RevokeCredential') return this.#wish({ type, id, expectedVersion, credentialId: old })
    const credential = this.#credential()
    return this.#wish({
      type,
      id,
      expectedVersion,
      credential: type === 'AddCredential' ? credential : { ...credential, id: old },
    })
  }

  #model(catalog: Catalog): Wish {
    const dice = this.#dice
    const name = modelName(dice.of(MODELS))
    const model = catalog.models.get(name)
    const ids = [...catalog.providers.keys()]
    const provider = ids.length === 0 ? providerId('a') : dice.of(ids)
    const targets = [{ provider, model: `${provider}-model`, weight: 1 + dice.below(5), tier: 0 }]
    if (model === undefined)
      return this.#wish({
        type: 'CreateModel',
        name,
        targets,
        aliases: [],
        strategy: null,
        region: null,
        limits: null,
      })
    const expectedVersion = this.#seen(model)
    if (dice.chance(0.3)) return this.#wish({ type: 'RetireModel', name, expectedVersion })
    return this.#wish({ type: 'SetTargets', name, targets, expectedVersion })
  }

  #issue(): Wish {
    const number = ++this.#made
    const id = keyId(`key_${number}`)
    const token = `token-${number}`
    this.#tokens.set(id, token)
    const digest = remembered(digests, number, () => clientKeyDigest(KEYS.pepper, token))
    const terms = PLAIN_TERMS
    return this.#wish({
      type: 'IssueKey',
      id,
      name: `key ${number}`,
      digest,
      prefix: 'sk-world',
      expiresAt: null,
      terms,
    })
  }

  #key(catalog: Catalog): Wish {
    const dice = this.#dice
    const ids = [...catalog.keys.keys()]
    const id = ids.length === 0 ? keyId('key_none') : dice.of(ids)
    const type = dice.of(['RevokeKey', 'RevokeKey', 'SuspendKey', 'ResumeKey'] as const)
    return this.#wish({ type, id, expectedVersion: this.#seen(catalog.keys.get(id)) })
  }

  /** The version somebody has seen, who may have looked too early. */
  #seen(entity: Readonly<{ version: number }> | undefined): number {
    const version = entity?.version ?? 1
    return this.#dice.chance(0.1) ? Math.max(1, version - 1) : version
  }

  #credential(): NewCredential {
    const number = ++this.#made
    return {
      id: credentialId(`cred_${number}`),
      secretId: secretId(`sec_${number}`),
      fingerprint: `fp_${number}`,
      label: null,
      weight: 1,
    }
  }

  #wish(command: Command, needs: Wish['needs'] = 'any'): Wish {
    const number = ++this.#made
    const credentials =
      'credentials' in command ? command.credentials : 'credential' in command ? [command.credential] : []
    return {
      needs,
      request: {
        command,
        commandId: `command-${number}`,
        requestHash: `hash-${number}`,
        actor: { kind: 'admin', id: 'world' },
        reason: null,
        secrets: credentials.map(({ secretId: id }) => ({ id, sealed: sealedOf(id) })),
        ids: {},
        dryRun: false,
      },
    }
  }
}

const definitions = new Map<string, ProviderDefinition>()

function definitionOf(id: string, weight: number): ProviderDefinition {
  return remembered(definitions, `${id} ${weight}`, () =>
    ProviderDefinition.parse({
      name: id,
      kind: 'openai',
      baseUrl: `https://${id}.example/v1`,
      routing: { weight },
      models: { static: [`${id}-model`] },
    }),
  )
}

const sealedOf = (id: string): string =>
  remembered(sealed, Number(id.slice('sec_'.length)), () =>
    sealSecret(KEYS.vault, id, new Secret(`secret of ${id}`)),
  )

function remembered<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
