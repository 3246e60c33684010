/**
 * Commands at random, of every type: few names, versions that are often right, bodies as the API's schemas
 * would let them through.
 */
import * as fc from 'fast-check'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { ProviderDefinition } from '#contracts/catalog/provider.ts'
import {
  budgetId,
  credentialId,
  keyId,
  modelName,
  providerId,
  secretId,
  type CredentialId,
  type ProviderId,
  providerStream,
} from '#contracts/ids.ts'
import { streamOf, type Command, type NewCredential } from '#control-plane/commands/command.ts'

const provider = fc.constantFrom('a', 'a', 'a', 'constructor').map(providerId)
const model = fc.constantFrom('fast', 'fast', 'slow', '__proto__').map(modelName)
const key = fc.constantFrom('key_1', 'key_2').map(keyId)
const upstream = fc.constantFrom('m', 'm', 'n')
const weight = fc.integer({ min: 0, max: 5 })
const digest = fc.constantFrom('x'.repeat(43), 'y'.repeat(43))
const prefix = fc.constant('sk-ap-12')
const time = fc.integer({ min: 1, max: 9 })

const definition = fc
  .record({
    name: fc.constantFrom('A', 'B'),
    kind: fc.constantFrom('openai' as const, 'gemini' as const),
    baseUrl: fc.constantFrom('https://a.example.com/v1', 'https://b.example.com/v1', 'http://127.0.0.1/v1'),
    allowPrivate: fc.boolean(),
    routing: fc.record({ weight: fc.integer({ min: 1, max: 3 }) }),
    models: fc.record({ static: fc.subarray(['m', 'n']) }),
  })
  .map((input) => ProviderDefinition.parse(input))
/** Ids are filled in when the catalog is known: they are made for each command, and never twice. */
const credential: fc.Arbitrary<NewCredential> = fc.record({
  id: fc.constant(credentialId('cred')),
  secretId: fc.constant(secretId('sec')),
  fingerprint: fc.constantFrom('fp_1', 'fp_2'),
  label: fc.option(fc.constant('label')),
  weight: fc.integer({ min: 1, max: 3 }),
})
const credentials = fc.array(credential, { maxLength: 2 })
const targets = fc.array(
  fc.record({ provider, model: upstream, weight, tier: fc.integer({ min: 0, max: 1 }) }),
  { minLength: 1, maxLength: 3 },
)
const alias = fc.constantFrom('quick', 'quick', 'swift', 'slow').map(modelName)
const aliases = fc.uniqueArray(alias, { maxLength: 2 })
const strategy = fc.constantFrom('balanced', 'latency', 'cost')
const region = fc.constantFrom('eu', 'us', null)
const limits = fc.constantFrom({}, { requestsPerMinute: 5 }, { tokensPerMinute: 9, concurrency: 2 })
const wanted = {
  name: model,
  targets,
  aliases,
  strategy: fc.option(strategy),
  region,
  limits: fc.option(limits),
}
const termShape = {
  scopes: fc.constantFrom({}, { models: ['fast'] }, { providers: ['a'], endpoints: ['chat' as const] }),
  limits,
  owner: fc.constantFrom(null, 'team'),
  tags: fc.subarray(['one', 'two']),
  keepContext: fc.boolean(),
  contentLog: fc.constantFrom(null, { ttlSeconds: 60 }, { ttlSeconds: 3_600 }),
}
const terms = fc.record(termShape)

const budget = fc.constantFrom('team', 'team', '__proto__').map(budgetId)
const subject = fc.constantFrom({ key: 'key_1' }, { key: 'key_2' }, { tag: 'one' })
const period = fc.constantFrom('day', 'month', 'total')
const budgetTermShape = {
  amount: fc.constantFrom(1, 2.5),
  warnAt: fc.constantFrom(0.8, 1),
  whenSpent: fc.constantFrom(402, 429),
  onUnreachable: fc.constantFrom('refuse', 'allow'),
  unpriced: fc.constantFrom('refuse', 'allow'),
}
const budgetTerms = fc.record(budgetTermShape)

/** Everything but `expectedVersion`, which depends on the catalog. */
type Versionless<One> = One extends { expectedVersion: number } ? Omit<One, 'expectedVersion'> : One
type Wish = Versionless<Command>
const wish = (type: string, more: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Wish> =>
  fc.record({ type: fc.constant(type), ...more }).map((one) => one as unknown as Wish)

const declaration = fc.record({
  providers: fc.uniqueArray(
    fc.record(
      {
        id: provider,
        definition,
        credentials,
        state: fc.constantFrom(null, 'enabled', 'disabled', 'draining'),
      },
      { requiredKeys: ['id', 'definition'] },
    ),
    { maxLength: 2, selector: ({ id }) => id },
  ),
  models: fc.uniqueArray(fc.record(wanted, { requiredKeys: ['name', 'targets'] }), {
    maxLength: 2,
    selector: ({ name }) => name,
  }),
  keys: fc.uniqueArray(
    fc.record(
      {
        id: key,
        name: fc.constant('declared'),
        digest,
        prefix,
        terms: fc.record(termShape, { requiredKeys: [] }),
        expiresAt: fc.constantFrom(null, 9),
        state: fc.constantFrom(null, 'active', 'suspended'),
      },
      { requiredKeys: ['id', 'name', 'digest', 'prefix', 'terms'] },
    ),
    { maxLength: 2, selector: ({ id }) => id },
  ),
  budgets: fc.uniqueArray(
    fc.record({
      id: budget,
      subject,
      period,
      terms: fc.record(budgetTermShape, { requiredKeys: ['amount'] }),
    }),
    { maxLength: 2, selector: ({ id }) => id },
  ),
})

/** Type → command without its version. A missing type does not compile. */
const wishes = {
  CreateGenesis: { logId: fc.constant('log'), keyCheck: fc.constant('check') },
  AdvanceEpoch: { expectedEpoch: fc.integer({ min: 1, max: 2 }) },
  RaiseFloor: { minFold: fc.integer({ min: 1, max: 2 }), blockers: fc.constantFrom([], ['node_1']) },
  ApplyDeclaration: { state: declaration },
  ApplyConfig: { state: declaration, retireOthers: fc.boolean(), expectedCommit: fc.constant(null) },
  RevertCommits: { entities: fc.constant([]) },
  RegisterProvider: { id: provider, definition, credentials },
  UpdateProvider: { id: provider, definition },
  EnableProvider: { id: provider },
  DisableProvider: { id: provider },
  DrainProvider: { id: provider },
  RemoveProvider: { id: provider },
  AddCredential: { id: provider, credential },
  RotateCredential: { id: provider, credential },
  RevokeCredential: { id: provider, credentialId: fc.constant(credentialId('cred')) },
  CreateModel: wanted,
  SetTargets: { name: model, targets },
  SetWeights: {
    name: model,
    weights: fc.array(fc.record({ provider, model: upstream, weight }), { minLength: 1, maxLength: 2 }),
  },
  SetStrategy: { name: model, strategy },
  SetRegion: { name: model, region },
  SetLimits: { name: model, limits },
  AddAlias: { name: model, alias },
  RemoveAlias: { name: model, alias },
  RetireModel: { name: model },
  IssueKey: { id: key, name: fc.constant('issued'), digest, prefix, expiresAt: fc.option(time), terms },
  RotateKey: { id: key, digest, prefix, overlapUntil: time },
  SetKeyExpiry: { id: key, expiresAt: fc.option(time) },
  SetKeyTerms: { id: key, terms: fc.record(termShape, { requiredKeys: [] }) },
  SuspendKey: { id: key },
  ResumeKey: { id: key },
  RevokeKey: { id: key },
  CreateBudget: { id: budget, subject, period, terms: budgetTerms },
  SetBudgetTerms: { id: budget, terms: fc.record(budgetTermShape, { requiredKeys: [] }) },
  RemoveBudget: { id: budget },
} satisfies Record<Command['type'], Readonly<Record<string, fc.Arbitrary<unknown>>>>

export const COMMAND_TYPES = Object.keys(wishes)

/** A command for whatever catalog it meets: it mostly expects the version it finds there. */
export type AnyCommand = (catalog: Catalog) => Command

const offset = fc.constantFrom(0, 0, 0, 0, 0, 0, -1, 1)

export const anyCommand: fc.Arbitrary<AnyCommand> = fc
  .tuple(
    fc.oneof(
      ...Object.entries(wishes).map(([type, fields]) => ({
        // What others need to be there comes more often.
        weight: /^(Register|Create[MB]|Issue)/.test(type) ? 6 : 2,
        arbitrary: wish(type, fields),
      })),
    ),
    offset,
    fc.nat(2),
  )
  .map(([one, by, which]): AnyCommand => {
    const make: AnyCommand = (catalog) => {
      const command = withKnown({ ...one, expectedVersion: 0 } as Command, catalog, which)
      return { ...command, expectedVersion: (catalog.versions.get(streamOf(command)) ?? 0) + by } as Command
    }
    return Object.assign(make, { [fc.toStringMethod]: () => fc.stringify({ ...one, by, which }) })
  })

/** Gives what is new a value of its own, and names what is there where something must be. */
function withKnown(command: Command, catalog: Catalog, which: number): Command {
  let made = 0
  const fresh = (one: NewCredential): NewCredential => {
    made += 1
    const suffix = `${catalog.commit}_${made}`
    return { ...one, id: credentialId(`cred_${suffix}`), secretId: secretId(`sec_${suffix}`) }
  }
  const knownCredential = (id: ProviderId): CredentialId =>
    catalog.providers.get(id)?.credentials[which]?.id ?? credentialId('cred_none')
  switch (command.type) {
    case 'RevertCommits': {
      // As if what is there had been made by the commits that are undone.
      const stream = [...catalog.providers.keys()].map(providerStream)[which]
      const version = stream === undefined ? undefined : catalog.versions.get(stream)
      if (stream === undefined || version === undefined) return command
      return { ...command, entities: [{ wanted: { kind: 'provider', stream, entity: null }, version }] }
    }
    case 'RegisterProvider':
      return { ...command, credentials: command.credentials.map(fresh) }
    case 'AddCredential':
      return { ...command, credential: fresh(command.credential) }
    case 'RotateCredential':
      return { ...command, credential: { ...fresh(command.credential), id: knownCredential(command.id) } }
    case 'RevokeCredential':
      return { ...command, credentialId: knownCredential(command.id) }
    case 'RotateKey':
      return { ...command, digest: String(catalog.commit).padStart(43, 'z') }
    case 'RemoveAlias':
      return { ...command, alias: catalog.models.get(command.name)?.aliases[which] ?? command.alias }
    case 'SetWeights': {
      const target = catalog.models.get(command.name)?.targets[which]
      const [first] = command.weights
      if (target === undefined || first === undefined) return command
      const { provider: to, model: name } = target
      return { ...command, weights: [{ provider: to, model: name, weight: first.weight }] }
    }
    case 'ApplyConfig':
    case 'ApplyDeclaration': {
      const providers = command.state.providers.map((one) => ({
        ...one,
        credentials: one.credentials?.map(fresh),
      }))
      return { ...command, state: { ...command.state, providers } }
    }
    default:
      return command
  }
}
