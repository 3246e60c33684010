/**
 * Takes the chunks of a body apart, as they come.
 *
 * Pure. Strict about line ends and lengths: see `head.ts`.
 */
const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b
const SPACE = 0x20
const TAB = 0x09
/** Of a length: 256 TiB, and still a whole number to JavaScript. */
const MOST_DIGITS = 12
/** Behind the length of a chunk, or behind the last of them, in bytes: nobody reads what stands there. */
const MOST_UNREAD = 16 * 1024

type Place =
  /** In a chunk's length, at its first digit or later. */
  | 'size'
  /** Behind the length: whatever is there up to the line's end. */
  | 'extension'
  | 'sizeEnd'
  | 'data'
  | 'dataEnd'
  | 'dataEndLf'
  /** At the beginning of a line behind the last chunk. */
  | 'trailer'
  | 'trailerLine'
  | 'trailerLineLf'
  | 'endLf'
  | 'over'
  | 'broken'

export class ChunkedBody {
  /** Where it has read to, in the bytes it was given last. */
  at = 0
  #place: Place = 'size'
  #size = 0
  #digits = 0
  #unread = 0

  /** Has its end come? Bytes from `at` on are not its own. */
  get isOver(): boolean {
    return this.#place === 'over'
  }

  /** It is no such body, and whatever follows means nothing. */
  get isBroken(): boolean {
    return this.#place === 'broken'
  }

  /** @param bytes the same until there is nothing more in them. @returns data, from `at` on; null: no more of it. */
  next(bytes: Buffer): Buffer | null {
    while (this.at < bytes.length && !this.isOver && !this.isBroken) {
      if (this.#place === 'data') return this.#data(bytes)
      this.#place = this.#step(bytes[this.at] ?? 0)
      this.at += 1
    }
    return null
  }

  #data(bytes: Buffer): Buffer {
    const end = Math.min(bytes.length, this.at + this.#size)
    const piece = bytes.subarray(this.at, end)
    this.#size -= piece.length
    this.at = end
    if (this.#size === 0) this.#place = 'dataEnd'
    return piece
  }

  #step(byte: number): Place {
    switch (this.#place) {
      case 'size':
        return this.#inSize(byte)
      case 'extension':
        if (byte === CR) return 'sizeEnd'
        return this.#skip(byte, 'extension')
      case 'sizeEnd':
        if (byte !== LF) return 'broken'
        this.#digits = 0
        this.#unread = 0
        return this.#size === 0 ? 'trailer' : 'data'
      case 'dataEnd':
        return byte === CR ? 'dataEndLf' : 'broken'
      case 'dataEndLf':
        return byte === LF ? 'size' : 'broken'
      case 'trailer':
        return byte === CR ? 'endLf' : this.#skip(byte, 'trailerLine')
      case 'trailerLine':
        return byte === CR ? 'trailerLineLf' : this.#skip(byte, 'trailerLine')
      case 'trailerLineLf':
        return byte === LF ? 'trailer' : 'broken'
      case 'endLf':
        return byte === LF ? 'over' : 'broken'
      default:
        return this.#place
    }
  }

  #inSize(byte: number): Place {
    const digit = digitOf(byte)
    if (digit !== -1) {
      this.#size = this.#digits === 0 ? digit : this.#size * 16 + digit
      this.#digits += 1
      return this.#digits > MOST_DIGITS ? 'broken' : 'size'
    }
    if (this.#digits === 0) return 'broken'
    if (byte === CR) return 'sizeEnd'
    return byte === SEMICOLON || byte === SPACE || byte === TAB ? this.#skip(byte, 'extension') : 'broken'
  }

  #skip(byte: number, place: Place): Place {
    this.#unread += 1
    return byte === LF || this.#unread > MOST_UNREAD ? 'broken' : place
  }
}

/** @returns the value of a hexadecimal digit; -1: it is none. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
