/**
 * The same dialect on both sides: every byte passes as it came.
 */
import type { Problem } from '#contracts/errors.ts'
import type { Ending, NativeAnswers, Verdict } from '../../dialects/native/answers.ts'
import { weighBody, weighStream, type NativeMeter } from '../../dialects/native/meter.ts'
import type { Told } from '../spent.ts'
import { CommitGate } from './commit-gate.ts'
import type { JudgedBody, Passage, StreamPassage } from '../passage.ts'
import { StreamTail } from './stream-tail.ts'

export type NativeWords = Readonly<{
  answers: NativeAnswers
  /** Null: such a call costs nothing. */
  meter: NativeMeter | null
  errorEvent: (problem: Problem) => string
}>

export class NativePassage implements Passage {
  readonly bodyType = null
  readonly streamType = null
  readonly isNative = true
  readonly #words: NativeWords

  constructor(words: NativeWords) {
    this.#words = words
  }

  judgeBody(body: Buffer): JudgedBody {
    const { answers, meter } = this.#words
    const { verdict, usage } = answers.judgeBody(body)
    if (verdict !== 'answer') return { kind: verdict }
    const told = meter === null ? null : { usage: meter.ofBody(usage), seen: () => weighBody(body) }
    return { kind: 'answer', body, told }
  }

  looksLikeAnswer(body: Buffer): boolean {
    return this.#words.answers.judgeBody(body).verdict === 'answer'
  }

  openStream(): StreamPassage {
    return new NativeStream(this.#words)
  }
}

class NativeStream implements StreamPassage {
  readonly #words: NativeWords
  readonly #gate: CommitGate
  readonly #tail: StreamTail
  /** What came before the first content. */
  #held: Buffer[] = []
  /** The beginning of the stream, where some tell what went in. */
  #head: Buffer | null = null
  #bytes = 0
  #verdict: Verdict = 'hold'

  constructor(words: NativeWords) {
    this.#words = words
    this.#gate = new CommitGate(words.answers.judgeEvent)
    this.#tail = new StreamTail(words.answers.endingOf)
  }

  get verdict(): Verdict {
    return this.#verdict
  }

  get errorText(): string {
    return this.#gate.errorText
  }

  push(chunk: Buffer): Buffer | null {
    this.#bytes += chunk.length
    if (this.#verdict === 'content') return this.#tail.push(chunk)
    this.#held.push(chunk)
    this.#verdict = this.#gate.feed(chunk)
    if (this.#verdict !== 'content') return null
    const [only, ...more] = this.#held
    const held = only !== undefined && more.length === 0 ? only : Buffer.concat(this.#held)
    this.#held = []
    this.#head = held
    return this.#tail.push(held)
  }

  end(): Readonly<{ ending: Ending; last: Buffer | null }> {
    return { ending: this.#tail.ending(), last: this.#tail.rest }
  }

  told(): Told | null {
    const { meter } = this.#words
    if (meter === null) return null
    const { text } = this.#tail
    return {
      usage: meter.ofStream(this.#head?.toString('latin1') ?? '', text),
      seen: () => weighStream(text, this.#bytes),
    }
  }

  breakOff(problem: Problem): Buffer {
    // Half an event would swallow ours: close it first.
    const border = this.#tail.isBetweenEvents ? '' : '\n\n'
    return Buffer.from(border + this.#words.errorEvent(problem))
  }
}
