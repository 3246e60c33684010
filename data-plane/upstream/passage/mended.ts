/**
 * The same dialect on both sides, from a host whose streams the official SDKs stumble over: every event passes
 * as it came, but for those that have to be mended.
 */
import type { Problem } from '#contracts/errors.ts'
import type { Ending, Verdict } from '../../dialects/native/answers.ts'
import { openRepair } from '../../dialects/openai-chat/repair-stream.ts'
import type { Told } from '../spent.ts'
import type { JudgedBody, Passage, StreamPassage } from '../passage.ts'

export class MendedPassage implements Passage {
  readonly bodyType = null
  readonly streamType = null
  readonly isNative = true
  readonly #native: Passage

  constructor(native: Passage) {
    this.#native = native
  }

  judgeBody(body: Buffer): JudgedBody {
    return this.#native.judgeBody(body)
  }

  looksLikeAnswer(body: Buffer): boolean {
    return this.#native.looksLikeAnswer(body)
  }

  openStream(): StreamPassage {
    return new MendedStream(this.#native.openStream())
  }
}

const LINE_FEED = 0x0a

class MendedStream implements StreamPassage {
  readonly #native: StreamPassage
  readonly #repair = openRepair()
  /** The beginning of a line that has not ended. */
  #rest: Buffer | null = null

  constructor(native: StreamPassage) {
    this.#native = native
  }

  get verdict(): Verdict {
    return this.#native.verdict
  }

  get errorText(): string {
    return this.#native.errorText
  }

  push(chunk: Buffer): Buffer | null {
    const told = this.#native.push(chunk)
    return told === null ? null : this.#mend(told)
  }

  end(): Readonly<{ ending: Ending; last: Buffer | null }> {
    const { ending, last } = this.#native.end()
    const parts = [this.#rest, last].filter((part) => part !== null)
    this.#rest = null
    if (parts.length === 0) return { ending, last: null }
    return { ending, last: Buffer.from(this.#mended(Buffer.concat(parts).toString())) }
  }

  told(): Told | null {
    return this.#native.told()
  }

  breakOff(problem: Problem): Buffer {
    return this.#native.breakOff(problem)
  }

  #mend(told: Buffer): Buffer | null {
    const bytes = this.#rest === null ? told : Buffer.concat([this.#rest, told])
    const end = bytes.lastIndexOf(LINE_FEED) + 1
    this.#rest = end === bytes.length ? null : bytes.subarray(end)
    return end === 0 ? null : Buffer.from(this.#mended(bytes.toString('utf8', 0, end)))
  }

  #mended(text: string): string {
    return text.replaceAll(/^data: ?([^\r\n]*)/gm, (line: string, data: string) => {
      const mended = this.#repair.repair(data)
      return mended === data ? line : `data: ${mended}`
    })
  }
}
