/**
 * Bytes of HTTP/1.1 as others spell them, and spoiled.
 *
 * Pure, with the dice as an argument.
 */
import type { Random } from '#contracts/process/clock.ts'
import { oneOf, wholeBetween } from './dice.ts'

const LINE_END = Buffer.from('\r\n')

/** A body in chunks. */
export function chunked(random: Random, data: Buffer): Buffer {
  const chunks: Buffer[] = []
  for (let at = 0; at < data.length;) {
    const chunk = data.subarray(at, at + wholeBetween(random, 1, 1_000))
    const size = chunk.length.toString(16)
    const extension = random() < 0.1 ? ';a=b' : ''
    chunks.push(Buffer.from(`${random() < 0.5 ? size : size.toUpperCase()}${extension}\r\n`), chunk, LINE_END)
    at += chunk.length
  }
  return Buffer.concat([...chunks, Buffer.from(random() < 0.1 ? '0\r\nx-sum: 1\r\n\r\n' : '0\r\n\r\n')])
}

export type Spoiling = Readonly<{
  /** Most of what is spoiled lies before it: heads are shorter than bodies, and matter more. */
  near: number
  /** What may stand where something else should, in Latin-1. */
  others: readonly string[]
}>

/** @returns bytes of which some are others, missing or too many; perhaps none at all. */
export function spoilBytes(random: Random, bytes: Buffer, { near, others }: Spoiling): Buffer {
  let spoilt = bytes
  const times = wholeBetween(random, 1, 3)
  for (let time = 0; time < times && spoilt.length > 0; time++) {
    const at = wholeBetween(random, 0, (random() < 0.7 ? Math.min(spoilt.length, near) : spoilt.length) - 1)
    const [before, after] = [spoilt.subarray(0, at), spoilt.subarray(at)]
    const other = Buffer.from(oneOf(random, others), 'latin1')
    switch (wholeBetween(random, 0, 3)) {
      case 0:
        spoilt = before
        break
      case 1:
        spoilt = Buffer.concat([before, after.subarray(1)])
        break
      case 2:
        spoilt = Buffer.concat([before, other, after])
        break
      default:
        spoilt = Buffer.concat([before, other, after.subarray(other.length)])
    }
  }
  return spoilt
}
