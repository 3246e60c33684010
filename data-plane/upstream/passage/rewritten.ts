/**
 * An answer without a stream that is read and written anew: embeddings and token counts of another dialect.
 */
import type { Result } from '#contracts/result.ts'
import { isObject, parseJson, type JsonObject } from '../../dialects/canonical/json.ts'
import type { Judge, NativeAnswers } from '../../dialects/native/answers.ts'
import { weighBody, type NativeMeter } from '../../dialects/native/meter.ts'
import { NativePassage } from './native.ts'
import type { JudgedBody, Passage, StreamPassage } from '../passage.ts'

export type Rewriting = Readonly<{
  judge: Judge
  /** Of what the upstream said; null: such a call costs nothing. */
  meter: NativeMeter | null
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
    const { judge, meter, rewrite } = this.#rewriting
    const { verdict, usage } = judge(body)
    if (verdict !== 'answer') return { kind: verdict }
    const value = parseJson(body.toString())
    const written = isObject(value) ? rewrite(value) : null
    if (written?.ok !== true) return { kind: 'neither' }
    const told = meter === null ? null : { usage: meter.ofBody(usage), seen: () => weighBody(body) }
    return { kind: 'answer', body: Buffer.from(JSON.stringify(written.value)), told }
  }

  looksLikeAnswer(body: Buffer): boolean {
    return this.#rewriting.judge(body).verdict === 'answer'
  }

  openStream(): StreamPassage {
    return bodiesOnly(this.#rewriting.judge, this.#rewriting.meter).openStream()
  }
}

/** An answer that passes as it is and has no stream: whatever streams is none. */
export function bodiesOnly(judgeBody: Judge, meter: NativeMeter | null): NativePassage {
  const answers: NativeAnswers = { judgeBody, judgeEvent: () => 'hold', endingOf: () => 'broken' }
  return new NativePassage({ answers, meter, errorEvent: () => '' })
}
