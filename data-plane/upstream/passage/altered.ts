/**
 * The same dialect on both sides, with something of a stream changed on its way: every other byte passes as it came.
 */
import type { Problem } from '#contracts/errors.ts'
import type { Ending, Verdict } from '../../dialects/native/answers.ts'
import type { JudgedBody, Passage, StreamPassage } from '../passage.ts'
import type { Told } from '../spent.ts'

/** What happens to one stream. */
export type Alteration = Readonly<{
  /** @param told what may be told so far. @returns what is told of it now; null: nothing. */
  push: (told: Buffer) => Buffer | null
  /** @param last what is left at the end, told or not. @returns it with what was held back; null: nothing. */
  end: (last: Buffer | null) => Buffer | null
}>

export class AlteredPassage implements Passage {
  readonly bodyType = null
  readonly streamType = null
  readonly isNative = true
  readonly #native: Passage
  readonly #open: () => Alteration

  constructor(native: Passage, open: () => Alteration) {
    this.#native = native
    this.#open = open
  }

  judgeBody(body: Buffer): JudgedBody {
    return this.#native.judgeBody(body)
  }

  looksLikeAnswer(body: Buffer): boolean {
    return this.#native.looksLikeAnswer(body)
  }

  openStream(): StreamPassage {
    return new AlteredStream(this.#native.openStream(), this.#open())
  }
}

class AlteredStream implements StreamPassage {
  readonly #native: StreamPassage
  readonly #alteration: Alteration

  constructor(native: StreamPassage, alteration: Alteration) {
    this.#native = native
    this.#alteration = alteration
  }

  get verdict(): Verdict {
    return this.#native.verdict
  }

  get errorText(): string {
    return this.#native.errorText
  }

  push(chunk: Buffer): Buffer | null {
    const told = this.#native.push(chunk)
    return told === null ? null : this.#alteration.push(told)
  }

  end(): Readonly<{ ending: Ending; last: Buffer | null }> {
    const { ending, last } = this.#native.end()
    return { ending, last: this.#alteration.end(last) }
  }

  told(): Told | null {
    return this.#native.told()
  }

  breakOff(problem: Problem): Buffer {
    return this.#native.breakOff(problem)
  }
}
