/**
 * One attempt at a time, against an upstream that answers with bytes.
 */
import { systemClock } from '#contracts/process/clock.ts'
import { NATIVE_METER } from '#data-plane/dialects/native/meter.ts'
import { NATIVE_ANSWERS } from '#data-plane/dialects/native/answers.ts'
import { DIALECT } from '#data-plane/dialects/registry.ts'
import {
  attempt,
  type AttemptInput,
  type AttemptResult,
  type Prepared,
} from '#data-plane/upstream/attempt.ts'
import { NativePassage } from '#data-plane/upstream/passage/native.ts'
import { Pools } from '#data-plane/upstream/pools.ts'
import { deployment, lane } from './deployment.ts'
import { RawUpstream, type RawAnswer } from './raw-upstream.ts'
import { RecordedClient } from './recorded-client.ts'

export const JSON_TYPE = { 'content-type': 'application/json' }
export const ANSWER =
  '{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}'
export const ROLE = 'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
export const WORD = 'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
export const DONE = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

const TIMEOUTS = { connectMs: 500, answerMs: 300, firstTokenMs: 300, idleMs: 1_000 }

/** A chat request that passes natively. */
export const prepared = (body = '{"model":"m"}'): Prepared => ({
  method: 'POST',
  path: '/v1/chat/completions',
  dialect: 'openai-chat',
  headers: ['content-type', 'application/json'],
  body: Buffer.from(body),
  passage: new NativePassage({
    answers: NATIVE_ANSWERS['openai-chat'],
    meter: NATIVE_METER['openai-chat'],
    errorEvent: (problem) => DIALECT['openai-chat'].writeErrorEvent(problem, 'req_1'),
  }),
  warnings: [],
})

export class AttemptRig implements AsyncDisposable {
  client = new RecordedClient()
  /** What each `onFirst` was told. */
  readonly firsts: number[] = []
  /** Faults of ours while an answer was read. */
  readonly faults: unknown[] = []
  readonly #stack = new AsyncDisposableStack()
  readonly #pools = this.#stack.use(new Pools((error) => void this.faults.push(error)))

  async upstream(answer: RawAnswer): Promise<RawUpstream> {
    return this.#stack.use(await RawUpstream.start(answer))
  }

  /** An upstream that says the same to everyone. */
  saying(...parts: readonly (string | Buffer)[]): Promise<RawUpstream> {
    return this.upstream((socket) => void socket.write(Buffer.concat(parts.map((part) => Buffer.from(part)))))
  }

  start({ origin }: Readonly<{ origin: string }>, over: Partial<AttemptInput> = {}): Promise<AttemptResult> {
    const target = over.deployment ?? deployment('a', { origin, timeouts: TIMEOUTS })
    return attempt({
      origin: this.#pools.for(target),
      deployment: target,
      lane: lane('sk-1'),
      attempt: 1,
      prepared: prepared(),
      stream: false,
      limitMs: over.stream === true ? target.timeouts.firstTokenMs : target.timeouts.answerMs,
      startedAt: (over.clock ?? systemClock).monotonic(),
      remainingMs: 5_000,
      client: this.client,
      onFirst: (ms) => void this.firsts.push(ms),
      clock: systemClock,
      ...over,
    })
  }

  startStream(
    target: Readonly<{ origin: string }>,
    over: Partial<AttemptInput> = {},
  ): Promise<AttemptResult> {
    return this.start(target, { stream: true, ...over })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}
