/** What readers and writers of dialects are given in tests. */
import { openSealer } from '#test/arbitraries/canonical.ts'
import type { CanonicalRequest } from '#data-plane/dialects/canonical/request.ts'
import type { AnswerOrigin, AnswerTarget, ReadContext } from '#data-plane/dialects/dialect.ts'

export const readContext = (over: Partial<ReadContext> = {}): ReadContext => ({
  model: 'model-1',
  stream: false,
  headers: {},
  framing: 'sse',
  sealer: openSealer,
  ...over,
})

export const origin = (
  provider: string,
  toolNames: ReadonlyMap<string, string> = new Map(),
): AnswerOrigin => ({
  provider,
  toolNames,
})

export const ASKED: CanonicalRequest = {
  dialect: 'gemini',
  model: 'model-1',
  stream: false,
  system: [],
  turns: [{ role: 'user', parts: [{ kind: 'text', text: 'hello' }] }],
  tools: [],
  params: {},
  extras: [],
  telling: { usageChunk: true, legacyFunctions: false, framing: 'sse', reasoning: true },
  source: {},
}

/** @param request what was asked; ids count up. */
export function answerTarget(request: CanonicalRequest = ASKED): AnswerTarget {
  let ids = 0
  return {
    request,
    newId: () => `id${++ids}`,
    now: 1_790_000_000,
    sealer: openSealer,
    requestId: 'req_1',
  }
}
