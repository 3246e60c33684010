/**
 * A choice as it is recorded: what was known and what came of it, so that the same pick can be made again.
 *
 * Pure. Records stay small: of a candidate of which nothing bad is known nothing is written down, and what
 * decides only sometimes (prices, usual times, limits) only when it did.
 */
import { z } from 'zod'
import type { Pick } from '../routing/pick.ts'
import { SOUND, type Out, type Place, type Scored, type Standing } from '../routing/standing.ts'
import type { CompiledStrategy } from '../routing/strategies.ts'
import type { TableInForce } from '../weights/table.ts'

const OUTS = [
  'tried',
  'draining',
  'down',
  'open',
  'trial',
  'throttled',
  'keys',
  'missing',
  'full',
  'pace',
] as const satisfies readonly Out[]

/** What of a candidate's `Standing` was not as in `SOUND`. */
const Known = z.object({
  /** Index into the record's candidates. */
  at: z.int().nonnegative(),
  out: z.enum(OUTS).optional(),
  fleet: z.number().optional(),
  local: z.number().optional(),
  isTrial: z.literal(true).optional(),
  isFull: z.literal(true).optional(),
  /** Where latency decides. */
  expectedMs: z.number().optional(),
  /** Where somebody has a limit. Absent `allowed`: no limit. */
  rate: z.number().optional(),
  allowed: z.number().optional(),
})

export const Choice = z.object({
  /** Index into the record's candidates; null: nobody could be asked. */
  chosen: z.int().nonnegative().nullable(),
  /** `Why` of the pick, or its `Refusal`. */
  why: z.string().max(20),
  /** Numbers drawn from the dice before it; absent: none. */
  drawn: z.int().positive().optional(),
  /** The weight table it was made by, and how much that still said; absent: none was known. */
  table: z
    .object({ epoch: z.int().nonnegative(), seq: z.int().nonnegative(), say: z.number().optional() })
    .optional(),
  /** How vain one more try looked, where nobody was left but those thought broken. */
  futility: z.number().optional(),
  known: z.array(Known).max(64).optional(),
})
export type RecordedChoice = Readonly<z.infer<typeof Choice>>
type RecordedKnown = NonNullable<RecordedChoice['known']>[number]

/** How a pick came about, beside the pick itself. */
export type Circumstances = Readonly<{
  taste: CompiledStrategy
  /** Numbers drawn from the dice before it. */
  drawn: number
  table: TableInForce | null
}>

/** @param most candidates that the record has room for. */
export function recordChoice(
  pick: Pick,
  { taste, drawn, table }: Circumstances,
  most: number,
): RecordedChoice {
  const { scored, futility } = pick
  const choice: Writable<RecordedChoice> = {
    chosen: pick.kind === 'chosen' ? scored.indexOf(pick.chosen) : null,
    why: pick.why,
  }
  if (drawn > 0) choice.drawn = drawn
  if (table !== null) choice.table = tableOf(table)
  if (futility !== null) choice.futility = futility
  const known = knownIn(scored, taste, most)
  if (known !== null) choice.known = known
  return choice
}

/** @returns null: nothing but good. */
function knownIn(scored: readonly Scored[], taste: CompiledStrategy, most: number): RecordedKnown[] | null {
  let known: RecordedKnown[] | null = null
  let isLimited = false
  for (const { standing } of scored) if (standing.allowed < Infinity) isLimited = true
  for (let at = 0; at < scored.length && at < most; at++) {
    const one = scored[at]
    if (one === undefined || saysNothing(one.standing, taste.gammaLatency !== 0, isLimited)) continue
    known ??= []
    known.push(knownOf(at, one.standing, taste.gammaLatency !== 0, isLimited))
  }
  return known
}

type Writable<Value> = { -readonly [Key in keyof Value]: Value[Key] }

const tableOf = ({ epoch, seq, say }: TableInForce): NonNullable<RecordedChoice['table']> =>
  say === 1 ? { epoch, seq } : { epoch, seq, say }

/**
 * Would `knownOf` say nothing? Asked for every candidate of every request, most of which are sound: whatever one of
 * the two asks for, the other must.
 */
const saysNothing = (
  { out, fleet, local, isTrial, isFull, expectedMs, rate, allowed }: Standing,
  hasLatency: boolean,
  isLimited: boolean,
): boolean =>
  out === null &&
  fleet === SOUND.fleet &&
  local === SOUND.local &&
  !isTrial &&
  !isFull &&
  !(hasLatency && expectedMs !== null) &&
  !(isLimited && (rate !== 0 || allowed < Infinity))

function knownOf(
  at: number,
  { out, fleet, local, isTrial, isFull, expectedMs, rate, allowed }: Standing,
  hasLatency: boolean,
  isLimited: boolean,
): RecordedKnown {
  const known: Writable<RecordedKnown> = { at }
  if (out !== null) known.out = out
  if (fleet !== SOUND.fleet) known.fleet = fleet
  if (local !== SOUND.local) known.local = local
  if (isTrial) known.isTrial = true
  if (isFull) known.isFull = true
  if (hasLatency && expectedMs !== null) known.expectedMs = expectedMs
  if (isLimited && rate !== 0) known.rate = rate
  if (isLimited && allowed < Infinity) known.allowed = allowed
  return known
}

/** @returns by index of the candidate; who is not there was sound. */
export const standingsOf = ({ known = [] }: RecordedChoice): ReadonlyMap<number, Standing> =>
  new Map(
    known.map((said) => [
      said.at,
      {
        ...SOUND,
        out: said.out ?? SOUND.out,
        fleet: said.fleet ?? SOUND.fleet,
        local: said.local ?? SOUND.local,
        isTrial: said.isTrial ?? SOUND.isTrial,
        isFull: said.isFull ?? SOUND.isFull,
        expectedMs: said.expectedMs ?? SOUND.expectedMs,
        rate: said.rate ?? SOUND.rate,
        allowed: said.allowed ?? SOUND.allowed,
      },
    ]),
  )

/** What of a candidate's place decides and cannot be read from the log alone: where prices decide, its price. */
export const costFor = (taste: CompiledStrategy, { cost }: Place): Place['cost'] =>
  taste.gammaCost === 0 ? null : cost
