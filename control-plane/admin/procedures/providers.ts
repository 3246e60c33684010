/**
 * Providers: companies and hosts we can send to.
 */
import { z } from 'zod'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { ProviderDefinition, ProviderIdText, type Provider } from '#contracts/catalog/provider.ts'
import { providerId, type ProviderId } from '#contracts/ids.ts'
import { ok } from '#contracts/result.ts'
import { ProviderPatch } from '../../commands/declared/patch.ts'
import type { AdminContext } from '../context.ts'
import { answered, procedure, refused, router } from '../trpc.ts'
import {
  asking,
  carryOut,
  catalogAt,
  changing,
  doing,
  expecting,
  page,
  paging,
  type ChangeInput,
} from '../change.ts'
import {
  CredentialInput,
  credentials,
  newCredentialId,
  sealCredential,
  viewCredential,
  type CredentialView,
} from './credentials.ts'
import { patched } from './provider-patch.ts'

export type ProviderView = Omit<Provider, 'credentials'> &
  Readonly<{ credentials: readonly CredentialView[] }>

export const view = (provider: Provider): ProviderView => ({
  ...provider,
  credentials: provider.credentials.map(viewCredential),
})

const ExistingProvider = z.strictObject({ id: ProviderIdText, ...expecting, ...changing })

const ExistingId = z.strictObject({ id: ProviderIdText, ...asking })

/** Commands that carry nothing but the provider. */
const plain = (
  type: 'EnableProvider' | 'DisableProvider' | 'DrainProvider' | 'RemoveProvider',
  description: string,
) =>
  procedure
    .meta({ description })
    .input(ExistingProvider)
    .mutation(({ ctx, input }) => {
      const { id, expectedVersion } = input
      return carryOut(ctx, input, {
        command: { type, id: providerId(id), expectedVersion },
        ids: { provider: id },
      })
    })

export const providers = router({
  list: procedure
    .meta({ description: 'Providers, in the order of their ids.' })
    .input(z.strictObject({ ...paging, ...asking }).prefault({}))
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      const { items, next } = page(catalog.providers, input)
      return { commitNo: catalog.commit, providers: items.map(view), next }
    }),

  get: procedure
    .meta({ description: 'One provider.' })
    .input(ExistingId)
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      return { commitNo: catalog.commit, provider: view(known(catalog, input.id)) }
    }),

  register: procedure
    .meta({ description: 'Register a provider, with or without its first secrets.' })
    .input(
      z.strictObject({
        id: ProviderIdText,
        definition: ProviderDefinition,
        credentials: z.array(CredentialInput).max(50).default([]),
        ...changing,
      }),
    )
    .mutation(({ ctx, input }) => {
      const { id, definition } = input
      const sealed = input.credentials.map((one) => sealCredential(ctx.masterKey, newCredentialId(), one))
      const made = sealed.map(({ credential }, at) => [`credentials[${at}]`, credential.id] as const)
      return carryOut(ctx, input, {
        command: {
          type: 'RegisterProvider',
          id: providerId(id),
          definition,
          credentials: sealed.map(({ credential }) => credential),
        },
        ids: { provider: id, ...Object.fromEntries(made) },
        secrets: sealed.map(({ secret }) => secret),
      })
    }),

  update: procedure
    .meta({ description: 'Change parts of a definition; what is not named stays, null takes a member away.' })
    .input(z.strictObject({ id: ProviderIdText, definition: ProviderPatch, ...expecting, ...changing }))
    .mutation(async ({ ctx, input }) => {
      const id = providerId(input.id)
      const { expectedVersion } = input
      const base = await baseOf(ctx, id, input)
      const definition = base === null ? ok(UNDECIDED) : patched(base.definition, input.definition)
      if (!definition.ok) throw refused({ kind: 'invalid', issues: definition.error })
      return carryOut(ctx, input, {
        command: { type: 'UpdateProvider', id, definition: definition.value, expectedVersion },
        ids: { provider: id },
      })
    }),

  enable: plain('EnableProvider', 'Let a provider take requests; ends draining too.'),
  disable: plain('DisableProvider', 'Send nothing to a provider.'),
  drain: plain('DrainProvider', 'Let a provider finish what it has, and give it nothing new.'),
  remove: plain('RemoveProvider', 'Remove a provider that no model names.'),

  models: procedure
    .meta({ description: 'What a provider serves: as its operator named it, or as it was last seen.' })
    .input(ExistingId)
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      const provider = known(catalog, input.id)
      const named = provider.definition.models.static
      if (named.length > 0)
        return { source: 'named' as const, at: null, problem: null, models: named.map((id) => ({ id })) }
      const standing = ctx.discovery.standing(provider.id)
      const { list = null, problem = null } = standing ?? {}
      return { source: 'seen' as const, at: list?.at ?? null, problem, models: list?.models ?? [] }
    }),

  test: procedure
    .meta({ description: 'Ask a provider now for its models: is it there, and does it take our credential?' })
    .input(ExistingId.extend(doing))
    .mutation(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      const provider = known(catalog, input.id)
      const startedAt = ctx.clock.monotonic()
      const answer = await ctx.discovery.ask(provider)
      const ms = Math.round(ctx.clock.monotonic() - startedAt)
      const problem = answer.ok ? null : answer.error.reason
      ctx.note.detail = `provider ${input.id}: ${problem ?? 'ok'}`
      return { ok: answer.ok, ms, problem, models: answer.ok ? answer.value.length : null }
    }),

  credentials,
})

function known({ providers: all }: Catalog, id: string): Provider {
  const provider = all.get(providerId(id))
  if (provider === undefined) throw refused({ kind: 'not_found', what: `provider ${id}` })
  return provider
}

/** Stands where a definition must, in a change that was decided before and is only answered again. */
const UNDECIDED = ProviderDefinition.parse({
  name: '-',
  kind: 'openai',
  baseUrl: 'https://undecided.invalid',
})

/**
 * The provider at the version the caller has seen: a patch laid over any other would undo what happened in
 * between. Null: the change was carried out before, and the ledger will answer as it did then.
 */
async function baseOf(
  ctx: AdminContext,
  id: ProviderId,
  { expectedVersion: expected, commandId }: ChangeInput & Readonly<{ expectedVersion: number }>,
): Promise<Provider | null> {
  if (ctx.ledger.catalog.providers.get(id)?.version !== expected) await answered(ctx.ledger.catchUp())
  const provider = ctx.ledger.catalog.providers.get(id)
  if (provider?.version === expected) return provider
  if (commandId !== undefined && (await answered(ctx.log.command(commandId))) !== null) return null
  if (provider === undefined) throw refused({ kind: 'not_found', what: `provider ${id}` })
  throw refused({ kind: 'conflict', what: `provider ${id}`, expected, current: provider.version })
}
