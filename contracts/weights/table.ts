/**
 * The weight table: the prober's judgement of every deployment, as nodes apply it.
 *
 * Pure in effect. Signed, because a node must not take weights from whoever can publish; ordered by
 * (epoch, seq), because two probers may speak for a moment; short-lived, because a silent prober must lose
 * its say.
 */
import { z } from 'zod'
import { hmacSha256, isMacOf } from '../commit/hash.ts'
import { err, ok, type Result } from '../result.ts'

const Line = z.object({ t0: z.number().positive(), perK: z.number().nonnegative() })

/** What stands behind a factor. Optional as a whole: readers and writers of earlier tables know only factors. */
const Detail = z.object({
  state: z.enum(['healthy', 'degraded', 'down', 'recovering']),
  /** Since when, in milliseconds before the table. */
  stateMs: z.number().nonnegative(),
  /** Mean badness of an attempt in the fleet (1: all failed), and of the best peer. */
  errors: z.number(),
  errorsOfBest: z.number(),
  /** Times its usual time, and what is common to all peers. */
  slowness: z.number().positive(),
  slownessOfAll: z.number().positive(),
  /** What even a bad deployment keeps. */
  floor: z.number().min(0).max(1),
  /** Attempts a second over the fleet, lately. */
  rate: z.number().nonnegative(),
  /** Attempts a second it was seen to accept, where it refuses more and no header says so. */
  cap: z.number().nonnegative().optional(),
  /** Usual time to the first content by kind of answer, once it is known. */
  usual: z.object({ json: Line.optional(), sse: Line.optional() }),
})

const Entry = z.object({
  provider: z.string(),
  /** Upstream model. */
  model: z.string(),
  /** Multiplies the operator weight; 0: out of service. */
  factor: z.number().min(0).max(1),
  /** One line for people: why the factor is what it is. */
  reason: z.string(),
  detail: Detail.optional(),
})

const Table = z.object({
  v: z.literal(1),
  /** Generation of the prober's lease; a later holder has a higher one. */
  epoch: z.int().min(1),
  seq: z.int().min(1),
  /** Epoch milliseconds by the prober's clock, for people. */
  at: z.number(),
  /** From receipt, by the reader's clock, in milliseconds. After it factors relax to 1. */
  validForMs: z.int().positive(),
  entries: z.array(Entry).max(100_000),
})

export type WeightDetail = Readonly<z.infer<typeof Detail>>
export type WeightEntry = Readonly<z.infer<typeof Entry>>
export type WeightTable = Readonly<Omit<z.infer<typeof Table>, 'entries'>> &
  Readonly<{ entries: readonly WeightEntry[] }>

/** A table as a choice was made by it: which one, and how much it still said, from 1 to 0. */
export type TableInForce = Readonly<{ epoch: number; seq: number; say: number }>

/** Register on the bus that holds the text of the last signed table. */
export const WEIGHTS_REGISTER = 'weights'

const Signed = z.object({ table: z.string(), mac: z.string() })

export function signTable(table: WeightTable, key: Uint8Array): string {
  const text = JSON.stringify(table)
  return JSON.stringify({ table: text, mac: hmacSha256(text, key).toString('base64url') })
}

export function openTable(text: string, key: Uint8Array): Result<WeightTable, string> {
  try {
    const signed = Signed.parse(JSON.parse(text))
    if (!isMacOf(signed.mac, signed.table, key)) return err('wrong signature')
    const table = Table.safeParse(JSON.parse(signed.table))
    return table.success ? ok(table.data) : err(z.prettifyError(table.error))
  } catch {
    return err('malformed')
  }
}

/** Is `next` newer than what the node holds? Equal is not newer. */
export function isNewer(
  next: Readonly<{ epoch: number; seq: number }>,
  held: Readonly<{ epoch: number; seq: number }> | null,
): boolean {
  return held === null || next.epoch > held.epoch || (next.epoch === held.epoch && next.seq > held.seq)
}

/** An expired factor lets go by e in this time, in milliseconds: a silent prober loses its say. */
export const FADE_MS = 15_000

/** @returns how much a table still says: 1 while it is valid, then less and less. */
export function sayOf(ageMs: number, validForMs: number): number {
  const over = ageMs - validForMs
  return over <= 0 ? 1 : Math.exp(-over / FADE_MS)
}

/** @returns the factor as it counts while its table still says so much. */
export const relaxedTo = (factor: number, say: number): number => factor + (1 - factor) * (1 - say)

/** @param ageMs since the table was received. @returns the factor as it counts now. */
export const relaxedFactor = (factor: number, ageMs: number, validForMs: number): number =>
  relaxedTo(factor, sayOf(ageMs, validForMs))
