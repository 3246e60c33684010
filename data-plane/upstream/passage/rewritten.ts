/**
 * An answer without a stream that is read and written anew: embeddings and token counts of another dialect.
 */
import type { Result } from '#contracts/result.ts'
import { isObject, parseJson, type JsonObject } from '../../dialects/canonical/json.ts'
import type { BodyVerdict, NativeAnswers } from '../../dialects/native/answers.ts'
import { NativePassage } from './native.ts'
import type { JudgedBody, Passage, StreamPassage } from '../passage.ts'

export type Rewriting = Readonly<{
  judge: (body: Buffer) => BodyVerdict
  /** @returns a reason when it is no such answer after all. */
  rewrite: (body: JsonObject) => Result<JsonObject, string>
}>

export class RewrittenPassage implements Passage {
  readonly bodyType = 'application/json; charset=utf-8'
  readonly streamType = null
  readonly isNative = false
  readonly #rewriting: Rewriting

  constructor(rewriting: Rewriting) {
    this.#rewriting = rewriting
  }

  judgeBody(body: Buffer): JudgedBody {
    const { judge, rewrite } = this.#rewriting
    const verdict = judge(body)
    if (verdict !== 'answer') return { kind: verdict }
    const value = parseJson(body.toString())
    const written = isObject(value) ? rewrite(value) : null
    return written?.ok === true
      ? { kind: 'answer', body: Buffer.from(JSON.stringify(written.value)) }
      : { kind: 'neither' }
  }

  looksLikeAnswer(body: Buffer): boolean {
    return this.#rewriting.judge(body) === 'answer'
  }

  openStream(): StreamPassage {
    return bodiesOnly(this.#rewriting.judge).openStream()
  }
}

/** An answer that passes as it is and has no stream: whatever streams is none. */
export function bodiesOnly(judgeBody: (body: Buffer) => BodyVerdict): NativePassage {
  const answers: NativeAnswers = { judgeBody, judgeEvent: () => 'hold', endingOf: () => 'broken' }
  return new NativePassage({ answers, errorEvent: () => '' })
}
