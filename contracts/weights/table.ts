/**
 * The weight table: the prober's judgement of every deployment, as nodes apply it.
 *
 * Pure in effect. Signed, because a node must not take weights from whoever can publish; ordered by
 * (epoch, seq), because two probers may speak for a moment; short-lived, because a silent prober must lose
 * its say.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { err, ok, type Result } from '../result.ts'

const Entry = z.object({
  provider: z.string(),
  /** Upstream model. */
  model: z.string(),
  /** Multiplies the operator weight. */
  factor: z.number().min(0).max(1),
  /** One line for people: why the factor is what it is. */
  reason: z.string(),
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

export type WeightEntry = Readonly<z.infer<typeof Entry>>
export type WeightTable = Readonly<Omit<z.infer<typeof Table>, 'entries'>> &
  Readonly<{ entries: readonly WeightEntry[] }>

/** Register on the bus that holds the text of the last signed table. */
export const WEIGHTS_REGISTER = 'weights'

const Signed = z.object({ table: z.string(), mac: z.string() })

export function signTable(table: WeightTable, key: Uint8Array): string {
  const text = JSON.stringify(table)
  return JSON.stringify({ table: text, mac: mac(text, key).toString('base64url') })
}

export function openTable(text: string, key: Uint8Array): Result<WeightTable, string> {
  try {
    const signed = Signed.parse(JSON.parse(text))
    const given = Buffer.from(signed.mac, 'base64url')
    const expected = mac(signed.table, key)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return err('wrong signature')
    const table = Table.safeParse(JSON.parse(signed.table))
    return table.success ? ok(table.data) : err(z.prettifyError(table.error))
  } catch {
    return err('malformed')
  }
}

const mac = (text: string, key: Uint8Array): Buffer => createHmac('sha256', key).update(text).digest()

/** Is `next` newer than what the node holds? Equal is not newer. */
export function isNewer(
  next: Readonly<{ epoch: number; seq: number }>,
  held: Readonly<{ epoch: number; seq: number }> | null,
): boolean {
  return held === null || next.epoch > held.epoch || (next.epoch === held.epoch && next.seq > held.seq)
}

/** Over this time an expired factor walks back to 1, in milliseconds. */
export const RELAX_MS = 30_000

/** @param ageMs since the table was received. @returns the factor as it counts now. */
export function relaxedFactor(factor: number, ageMs: number, validForMs: number): number {
  const over = ageMs - validForMs
  if (over <= 0) return factor
  return over >= RELAX_MS ? 1 : factor + ((1 - factor) * over) / RELAX_MS
}
