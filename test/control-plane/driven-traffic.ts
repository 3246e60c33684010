/**
 * Traffic as nodes would have recorded it: a catalog, deployments that are fast or slow, good or bad, and
 * requests that are chosen for by the pick, fail over and keep their sessions. All from one seed.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { EMPTY_CATALOG } from '#contracts/catalog/catalog.ts'
import { ProviderDefinition } from '#contracts/catalog/provider.ts'
import { deploymentId, modelName, providerId } from '#contracts/ids.ts'
import type { Random } from '#contracts/process/clock.ts'
import { EMPTY_DIGEST } from '#contracts/commit/digest.ts'
import { CHAIN_START } from '#contracts/commit/chain.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { pick, type Pick } from '#contracts/routing/pick.ts'
import { homeAfter } from '#contracts/routing/session.ts'
import { SOUND, type Candidate, type Standing } from '#contracts/routing/standing.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { recordChoice, type RecordedChoice } from '#contracts/usage/choice.ts'
import type { RecordedAttempt, UsageRecord } from '#contracts/usage/record.ts'
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import type { Command } from '#control-plane/commands/command.ts'
import { Sketch } from '#control-plane/what-if/sketch.ts'

export const UPSTREAM = 'm'

/** What a deployment is like. */
export type Nature = Readonly<{ ms: number; errors: number; standing?: Partial<Standing> }>

export type Traffic = Readonly<{
  model: string
  requests: number
  seed: number
  /** By provider. */
  natures: Readonly<Record<string, Nature>>
  /** Different sessions; 0: none. */
  sessions?: number
}>

/** @returns the catalog after commands. Throws the first refusal. */
export function after(catalog: Catalog, ...commands: readonly Command[]): Catalog {
  const sketch = new Sketch({ catalog, chain: CHAIN_START, digest: EMPTY_DIGEST })
  for (const command of commands) {
    const decided = sketch.take(command)
    if (!decided.ok) throw new Error(JSON.stringify(decided.error))
  }
  return sketch.catalog
}

export const register = (id: string, routing: Readonly<Record<string, unknown>> = {}): Command => ({
  type: 'RegisterProvider',
  id: providerId(id),
  definition: ProviderDefinition.parse({
    name: id,
    kind: 'openai',
    baseUrl: `https://${id}.example/v1`,
    routing: { costInput: 1, costOutput: 2, ...routing },
  }),
  credentials: [],
})

export type Target = Readonly<{ provider: string; weight: number; tier?: number }>

export const targetsOf = (targets: readonly Target[]) =>
  targets.map(({ provider, weight, tier = 0 }) => ({
    provider: providerId(provider),
    model: UPSTREAM,
    weight,
    tier,
  }))

export const create = (
  name: string,
  targets: readonly Target[],
  strategy: keyof typeof STRATEGIES = 'balanced',
): Command => ({
  type: 'CreateModel',
  name: modelName(name),
  targets: targetsOf(targets),
  aliases: [],
  strategy,
  region: null,
  limits: null,
})

export const EMPTY = EMPTY_CATALOG
const BEGUN_AT = 1_700_000_000_000
/** Between two requests. */
export const GAP_MS = 100

export function drive(catalog: Catalog, traffic: Traffic): readonly UsageRecord[] {
  const random = diceOf(traffic.seed)
  const bindings = new Map<string, { bound: string; home: string | null }>()
  return Array.from({ length: traffic.requests }, (_, at) =>
    request(catalog, traffic, { at, random, bindings }),
  )
}

type Moment = Readonly<{
  at: number
  random: Random
  bindings: Map<string, { bound: string; home: string | null }>
}>

function request(
  catalog: Catalog,
  { model, natures, sessions = 0, seed: of }: Traffic,
  moment: Moment,
): UsageRecord {
  const { at, random, bindings } = moment
  const found = catalog.models.get(modelName(model))
  const candidates = (found?.targets ?? []).flatMap((target): Candidate[] => {
    const provider = catalog.providers.get(target.provider)
    if (provider === undefined || provider.state === 'disabled') return []
    const { region = null, costInput = 0, costOutput = 0 } = provider.definition.routing
    const id = deploymentId(target.provider, target.model)
    const weight = provider.state === 'enabled' ? target.weight : 0
    return [
      {
        deployment: { id, region, cost: { input: costInput, output: costOutput } },
        tier: target.tier,
        weight,
      },
    ]
  })
  const taste = STRATEGIES[found?.strategy ?? 'balanced']
  const session = sessions === 0 ? null : `session-${Math.floor(random() * sessions)}`
  const kept = session === null ? undefined : bindings.get(session)
  const seed = Math.floor(random() * 2 ** 32)
  const tried = new Set<string>()
  const choices: RecordedChoice[] = []
  const attempts: RecordedAttempt[] = []
  let [first, drawn]: [Pick | null, number] = [null, 0]
  const cast = diceOf(seed)
  const dice = (): number => {
    drawn += 1
    return cast()
  }
  while (attempts.length < 3 && attempts.at(-1)?.outcome !== 'success') {
    const before = drawn
    const made = pick(candidates, {
      standing: ({ deployment: { id } }) =>
        tried.has(id)
          ? { ...SOUND, out: 'tried' }
          : { ...SOUND, expectedMs: natures[ownerOf(id)]?.ms ?? null, ...natures[ownerOf(id)]?.standing },
      futility: () => 0,
      dice,
      session:
        session === null
          ? null
          : { session, bound: kept?.bound ?? null, home: kept?.home ?? null, isRequired: false },
      taste,
      region: null,
    })
    first ??= made
    choices.push(recordChoice(made, { taste, drawn: before, table: null }, 64))
    if (made.kind === 'refused') break
    const { id } = made.chosen.candidate.deployment
    tried.add(id)
    const nature = natures[ownerOf(id)] ?? { ms: 1, errors: 0 }
    const isBad = random() < nature.errors
    const firstMs = isBad ? null : nature.ms * (0.8 + 0.4 * random())
    attempts.push({
      provider: ownerOf(id),
      model: UPSTREAM,
      credential: '',
      dialect: 'openai-chat',
      why: made.why,
      outcome: isBad ? 'fault' : 'success',
      status: isBad ? 500 : 0,
      firstMs,
      totalMs: firstMs ?? 5,
    })
    if (!isBad && session !== null) {
      const was = kept === undefined ? null : kept
      bindings.set(session, { bound: id, home: homeAfter(was, first, id) })
    }
  }
  return recordOf({
    at,
    seed,
    of,
    model,
    session,
    kept: kept ?? null,
    commit: catalog.commit,
    first,
    choices,
    attempts,
  })
}

export type Ended = Readonly<{
  /** Which one it is, of those of the seed `of`. */
  at: number
  of: number
  seed: number
  model: string
  session: string | null
  kept: Readonly<{ bound: string; home: string | null }> | null
  commit: number
  first: Pick | null
  choices: readonly RecordedChoice[]
  attempts: readonly RecordedAttempt[]
}>

/** A request as its node would have written it down. */
export function recordOf({
  at,
  of,
  seed,
  model,
  session,
  kept,
  commit,
  first,
  choices,
  attempts,
}: Ended): UsageRecord {
  const last = attempts.at(-1)
  const isAnswered = last?.outcome === 'success'
  return {
    v: 1,
    id: `req_${of}_${at}`,
    node: 'node-1',
    at: BEGUN_AT + at * GAP_MS,
    key: 'key_1',
    endpoint: 'chat',
    asked: model,
    model,
    session,
    stream: at % 2 === 0,
    status: isAnswered ? 200 : 502,
    totalMs: 20,
    attempts: [...attempts],
    provider: isAnswered ? last.provider : '',
    upstream: isAnswered ? last.model : '',
    tokens: isAnswered ? { ...NO_TOKENS, input: 1_000, output: 500 } : NO_TOKENS,
    isEstimated: false,
    commit,
    weights: 0,
    seed,
    candidates: (first?.scored ?? []).map((one) => ({
      deployment: one.candidate.deployment.id,
      tier: one.tier,
      weight: one.candidate.weight,
      factor: one.factor,
      share: one.share,
      out: one.standing.out,
    })),
    choices: [...choices],
    ...(session === null
      ? {}
      : { binding: { bound: kept?.bound ?? null, home: kept?.home ?? null, isRequired: false } }),
    warnings: [],
  }
}

const ownerOf = (deployment: string): string => deployment.slice(0, deployment.indexOf('/'))
