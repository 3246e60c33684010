/**
 * The lines of random requests, next to what `JSON.stringify` makes of the same. What is remembered of earlier ones
 * is remembered here, too: callers, places and candidates are few, and alike in all but one thing.
 */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CLIENT_ENDPOINTS } from '#contracts/catalog/client-key.ts'
import { Dialect } from '#contracts/catalog/provider.ts'
import { credentialId, keyId, nodeId } from '#contracts/ids.ts'
import type { Pick } from '#contracts/routing/pick.ts'
import { SOUND, type Scored } from '#contracts/routing/standing.ts'
import { STRATEGIES, type CompiledStrategy } from '#contracts/routing/strategies.ts'
import { MOST_CANDIDATES } from '#contracts/usage/record.ts'
import { OUTCOMES } from '#contracts/telemetry/outcome.ts'
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import { deployment, lane } from '#test/fakes/deployment.ts'
import type { Principal, RoutingSnapshot } from '../routing/snapshot.ts'
import type { Prepared } from '../upstream/attempt.ts'
import type { AttemptRecord, BegunAttempt } from '../upstream/failover.ts'
import { Account, type RequestEntry } from './account.ts'
import { cut } from './names.ts'
import { entryOf } from './text.ts'

const LONG = 'x'.repeat(200)
const NAMES = ['m', 'fast', 'modèle', '模型', '"\\\n\u2028', '\ud800', '', LONG, `${LONG}1`, `${LONG}2`]
const name = fc.constantFrom(...NAMES)
const number = fc.oneof(
  fc.constantFrom(0, 1, 0.5, 0.25, 12.3, 0.0004),
  fc.nat(),
  fc.double({ min: 0, max: 1e7, noNaN: true }),
)
const often = <Value>(usual: Value, other: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 3 }, { arbitrary: other, weight: 1 })

const principals = ['key_1', 'key_2'].map((key) => ({ keyId: keyId(key) }) as Principal)
const free = lane(null)
/** With one number, as of a snapshot where it was another's. */
const lanes = [
  free,
  { ...free, credential: credentialId('one') },
  { ...free, credential: credentialId('two') },
]
const place = fc.record({
  to: fc.record({ provider: fc.constantFrom('one', 'two'), model: name }),
  lane: fc.constantFrom(...lanes),
  why: fc.constantFrom<BegunAttempt['why'][]>('weight', 'sticky', 'again'),
  dialect: fc.constantFrom(...Dialect.options),
})

const standing = fc.record({
  ...Object.fromEntries(Object.entries(SOUND).map(([key, value]) => [key, fc.constant(value)])),
  out: often<Scored['standing']['out']>(null, fc.constantFrom('tried', 'full')),
  fleet: often(1, number),
  local: often(1, number),
  isTrial: often(false, fc.boolean()),
  isFull: often(false, fc.boolean()),
  expectedMs: fc.option(number),
  rate: often(0, number),
  allowed: often(Infinity, number),
}) as fc.Arbitrary<Scored['standing']>

const scored = fc
  .record({
    to: fc.record({ provider: fc.constantFrom('one', 'two'), model: name }),
    cost: fc.option(fc.constant({ input: 1.5, output: 0.25 })),
    weight: fc.constantFrom(0, 1, 2, 0.5),
    tier: fc.constantFrom(0, 1, 0.5),
    factor: often(1, number),
    share: number,
    standing,
  })
  .map(({ to, cost, weight, tier, ...rest }): Scored => ({
    candidate: { deployment: deployment(to.provider, { model: to.model, cost }), tier: 0, weight },
    tier,
    paced: 1,
    ...rest,
  }))

const choice = fc.record({
  scored: fc.oneof(
    { arbitrary: fc.array(scored, { maxLength: 3 }), weight: 9 },
    { arbitrary: scored.map((one) => Array.from({ length: 70 }, () => one)), weight: 1 },
  ),
  chosen: fc.nat(),
  why: fc.constantFrom('weight', 'sticky'),
  drawn: often(0, fc.nat({ max: 3 })),
  futility: often(null, fc.option(number)),
  table: fc.option(
    fc.record({ epoch: fc.constantFrom(1, 2), seq: fc.constantFrom(1, 2), say: often(1, number) }),
  ),
})

const attempt = fc.record({
  choice: fc.option(choice),
  place,
  bytes: fc.option(fc.nat({ max: 300 })),
  end: fc.option(
    fc.record({
      outcome: often<AttemptRecord['outcome']>('success', fc.constantFrom(...OUTCOMES)),
      status: often(0, fc.constantFrom(429, 500)),
      firstMs: fc.option(number),
      streamFirstMs: fc.option(number),
      totalMs: number,
      warnings: often<string[]>([], fc.array(name, { maxLength: 60 })),
      spent: fc.option(
        fc.record({
          tokens: fc.record(
            Object.fromEntries(Object.keys(NO_TOKENS).map((kind) => [kind, often(0, fc.nat())])),
          ) as unknown as fc.Arbitrary<typeof NO_TOKENS>,
          isEstimated: fc.boolean(),
        }),
      ),
    }),
    { freq: 9 },
  ),
})

const members = {
  at: fc.oneof(
    fc.constantFrom(0, 7, 999, 1_000, 1_001, 1_700_000_000_000, 1_700_000_000_007, 1_700_000_001_007),
    fc.nat({ max: 2e12 }),
  ),
  principal: fc.constantFrom(...principals),
  commit: fc.constantFrom(0, 7, 8),
  endpoint: fc.constantFrom(...CLIENT_ENDPOINTS),
  asked: name,
  model: name,
  session: often(null, fc.option(name)),
  stream: fc.boolean(),
  seed: fc.oneof(
    fc.constantFrom(0, 999, 1_000, 1e6, 4_294_967_295),
    fc.integer({ min: 0, max: 4_294_967_295 }),
  ),
  leases: often<string[]>([], fc.array(name, { maxLength: 2 })),
  taste: fc.constantFrom(...Object.values(STRATEGIES)),
  preference: often(
    null,
    fc.option(
      fc.record({ session: name, bound: fc.option(name), home: fc.option(name), isRequired: fc.boolean() }),
    ),
  ),
  nacks: often<string[]>([], fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 })),
  attempts: fc.array(attempt, { maxLength: 3 }),
  last: fc.option(choice),
  status: often(200, fc.constantFrom(429, 499, 503)),
  totalMs: number,
}
const request = fc.record(members)
type Given = typeof request extends fc.Arbitrary<infer One> ? One : never
type Step = Given['attempts'][number]
type Choosing = NonNullable<Step['choice']>

const node = nodeId('node_"1"')
const lineOf = entryOf(node)
const bodyOf = ({ bytes }: Step): Buffer | null => (bytes === null ? null : Buffer.alloc(bytes, 'word '))
const pickOf = ({ scored: all, chosen, why, futility }: Choosing): Pick => {
  const one = all[chosen % Math.max(1, all.length)]
  if (one === undefined) return { kind: 'refused', why: 'none', waitMs: null, futility, scored: all }
  return {
    kind: 'chosen',
    chosen: one,
    why: why as 'weight',
    hasOther: false,
    preferred: null,
    futility,
    scored: all,
  }
}
const targetOf = ({ place: { to, ...rest } }: Step) => ({
  deployment: deployment(to.provider, { model: to.model }),
  lane: rest.lane,
  why: rest.why,
})

/** As the node writes it. */
function written(given: Given, id: string): (string | null)[] {
  const lines: (RequestEntry | null)[] = []
  const account = new Account(id, given.at, 50)
  account.calledBy(given.principal, given.commit, given.endpoint)
  account.askedFor(given.asked, given.stream)
  account.routed(given.model, given.session, given.seed)
  account.paidBy(given.leases)
  const nacks = given.nacks.map((stream) => ({ stream }))
  account.choosing(given.taste, given.preference, { nacks } as unknown as RoutingSnapshot)
  for (const step of given.attempts) {
    if (step.choice !== null) account.picked(pickOf(step.choice), step.choice.drawn, step.choice.table)
    const begun = targetOf(step)
    const prepared = { dialect: step.place.dialect, body: bodyOf(step) } as Prepared
    lines.push(account.intend({ ...begun, prepared }))
    if (step.end === null) continue
    const { streamFirstMs, ...end } = step.end
    const told = { ...begun, ...end, dialect: step.place.dialect, slowness: null, habit: null }
    account.attempted(told, streamFirstMs)
  }
  if (given.last !== null) account.picked(pickOf(given.last), given.last.drawn, given.last.table)
  lines.push(account.close(given.status, 50 + given.totalMs))
  return lines.map((entry) => (entry === null ? null : lineOf(entry.members)))
}

/** Stands for a number that is spelled with three decimals. */
const time = (value: number): string => {
  const units = Math.round(value * 1_000)
  return `\ue000${units % 1_000 === 0 || units > 1e9 ? units / 1_000 : (units / 1_000).toFixed(3)}\ue000`
}
const spelled = (object: object): string =>
  JSON.stringify(object).replaceAll(/"\ue000([^\ue000]*)\ue000"/g, '$1')

function wantedChoice(
  { scored: all, chosen, why, drawn, futility, table }: Choosing,
  taste: CompiledStrategy,
): object {
  const isLimited = all.some((one) => one.standing.allowed < Infinity)
  const known = all.slice(0, MOST_CANDIDATES).flatMap(({ standing: one }, at) => {
    const said = {
      ...(one.out === null ? {} : { out: one.out }),
      ...(one.fleet === 1 ? {} : { fleet: one.fleet }),
      ...(one.local === 1 ? {} : { local: one.local }),
      ...(one.isTrial ? { isTrial: true } : {}),
      ...(one.isFull ? { isFull: true } : {}),
      ...(taste.gammaLatency === 0 || one.expectedMs === null ? {} : { expectedMs: one.expectedMs }),
      ...(isLimited && one.rate !== 0 ? { rate: one.rate } : {}),
      ...(one.allowed === Infinity ? {} : { allowed: one.allowed }),
    }
    return Object.keys(said).length === 0 ? [] : [{ at, ...said }]
  })
  const { say, ...named } = table ?? { say: 1 }
  return {
    // The same one seventy times is the first of them.
    chosen: all.length === 0 ? null : all.indexOf(all[chosen % all.length]!),
    why: all.length === 0 ? 'none' : why,
    ...(drawn === 0 ? {} : { drawn }),
    ...(table === null ? {} : { table: say === 1 ? named : { ...named, say } }),
    ...(futility === null ? {} : { futility }),
    ...(known.length === 0 ? {} : { known }),
  }
}

const wantedCandidate = (
  { candidate, tier, factor, share, standing: { out } }: Scored,
  taste: CompiledStrategy,
) => ({
  deployment: cut(candidate.deployment.id),
  tier,
  weight: candidate.weight,
  factor: time(factor),
  share: time(share),
  out,
  ...(taste.gammaCost === 0 || candidate.deployment.cost === null ? {} : { cost: candidate.deployment.cost }),
})

/** The same, made simply. */
function wanted(given: Given, id: string): string[] {
  const { taste, preference, nacks, attempts: steps } = given
  const lines: string[] = []
  const choices: Choosing[] = []
  const told = (seen: Choosing | undefined) => ({
    node,
    v: 1,
    id,
    at: given.at,
    key: given.principal.keyId,
    endpoint: given.endpoint,
    asked: cut(given.asked),
    model: cut(given.model),
    session: given.session,
    stream: given.stream,
    commit: given.commit,
    weights: seen?.table?.seq ?? 0,
    seed: given.seed,
    ...(given.leases.length === 0 ? {} : { leases: given.leases }),
  })
  let first: ReturnType<typeof told> | null = null
  const attempts: object[] = []
  let underWay: object | null = null
  for (const step of steps) {
    if (step.choice !== null) choices.push(step.choice)
    first ??= told(choices[0])
    if (underWay !== null) attempts.push(underWay)
    const { to, lane: by, why, dialect } = step.place
    const [provider, model] = [to.provider, cut(to.model)]
    const begun = { provider, model, credential: by.credential ?? '', dialect, why }
    underWay = { ...begun, outcome: 'lost', status: 0, firstMs: null, totalMs: 0 }
    const input = given.endpoint === 'count_tokens' ? 0 : Math.ceil((bodyOf(step)?.length ?? 0) / 4)
    const empty = { isEstimated: true, candidates: [], choices: [], warnings: [] }
    const tokens = { ...NO_TOKENS, input }
    const all = [...attempts, underWay]
    lines.push(
      spelled({
        ...first,
        status: 500,
        totalMs: 0,
        ...empty,
        attempts: all,
        provider,
        upstream: model,
        tokens,
      }),
    )
    if (step.end === null) continue
    const { outcome, status, firstMs, streamFirstMs, totalMs } = step.end
    const from = firstMs ?? streamFirstMs
    attempts.push({
      ...begun,
      outcome,
      status,
      firstMs: from === null ? null : time(from),
      totalMs: time(totalMs),
    })
    underWay = null
  }
  first ??= told(undefined)
  if (steps.length === 0 && given.last !== null) first = told(given.last)
  if (given.last !== null) choices.push(given.last)
  const heard = steps.filter((step) => step.end !== null)
  const last = heard.at(-1)
  const isAnswered = last?.end?.outcome === 'success' || (last?.end?.spent ?? null) !== null
  const spent = heard.findLast((step) => step.end?.spent !== null)?.end?.spent
  const seen = choices[0]?.scored ?? []
  const held = [...new Set(nacks)]
  const { session: _, ...binding } = preference ?? { session: '' }
  lines.push(
    spelled({
      ...first,
      status: given.status,
      totalMs: time(50 + given.totalMs - 50),
      attempts,
      provider: isAnswered ? last?.place.to.provider : '',
      upstream: isAnswered ? cut(last?.place.to.model ?? '') : '',
      tokens: spent?.tokens ?? NO_TOKENS,
      isEstimated: spent?.isEstimated ?? false,
      candidates: seen.slice(0, MOST_CANDIDATES).map((one) => wantedCandidate(one, taste)),
      choices: choices.map((one) => wantedChoice(one, taste)),
      warnings: (last?.end?.warnings ?? []).slice(0, 50).map(cut),
      ...(seen.length > MOST_CANDIDATES ? { uncut: seen.length } : {}),
      ...(preference === null ? {} : { binding }),
      ...(held.length === 0 ? {} : { held }),
    }),
  )
  return lines
}

/** The one before in all but one thing: what would be taken for it, if that were not looked at. */
const change: fc.Arbitrary<Partial<Given>> = fc.oneof(
  fc.tuple(request, fc.constantFrom(...(Object.keys(members) as (keyof Given)[]))).map(([given, key]) => ({
    [key]: given[key],
  })),
  fc.constant({}),
)

test('every line is the JSON of what it says, whatever was said before', () => {
  fc.assert(
    fc.property(request, fc.array(change, { maxLength: 8 }), (first, changes) => {
      let given = first
      for (const [at, changed] of [{}, ...changes].entries()) {
        given = { ...given, ...changed }
        expect(written(given, `req_${at}`)).toEqual(wanted(given, `req_${at}`))
      }
    }),
    { numRuns: 1_500 },
  )
})
