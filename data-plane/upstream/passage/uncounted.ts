/**
 * The same dialect on both sides, to a provider that was asked for a count its client did not ask for: every
 * byte passes but that event.
 */
import type { Problem } from '#contracts/errors.ts'
import type { Ending, Verdict } from '../../dialects/native/answers.ts'
import { withoutCount } from '../../dialects/openai-chat/stream-usage.ts'
import type { JudgedBody, Passage, StreamPassage } from '../passage.ts'
import type { Told } from '../spent.ts'

export class UncountedPassage implements Passage {
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
    return new UncountedStream(this.#native.openStream())
  }
}

class UncountedStream implements StreamPassage {
  readonly #native: StreamPassage

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
    return told === null ? null : withoutCount(told)
  }

  end(): Readonly<{ ending: Ending; last: Buffer | null }> {
    return this.#native.end()
  }

  told(): Told | null {
    return this.#native.told()
  }

  breakOff(problem: Problem): Buffer {
    return this.#native.breakOff(problem)
  }
}
