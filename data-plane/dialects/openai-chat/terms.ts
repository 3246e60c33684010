/**
 * Chat's words for finish reasons, usage, log probabilities, cache marks and citations.
 *
 * Pure. Hosts that speak chat each have words of their own besides OpenAI's; an unknown one never throws.
 */
import { arrayOf, isObject, numberOf, objectOf, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { Finish, FinishKind, TokenLogprob, Usage } from '../canonical/reply.ts'
import type { CacheMark, Citation } from '../canonical/request.ts'

const FINISH_KINDS: ReadonlyMap<string, FinishKind> = new Map([
  ['stop', 'stop'],
  ['eos', 'stop'],
  ['length', 'length'],
  // Mistral's: the context was full.
  ['model_length', 'context-full'],
  ['tool_calls', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['content_filter', 'content-filter'],
])

/** What an answer holds besides its finish reason. */
export type Said = Readonly<{ calls: boolean; refusal: boolean }>

/** Some hosts say `stop` though they call tools, and nothing tells a refusal but its text. */
export function readFinish(reason: string | null, said: Said): Finish {
  const kind = reason === null ? 'stop' : (FINISH_KINDS.get(reason) ?? 'other')
  if (said.calls && (kind === 'stop' || kind === 'other')) return { kind: 'tool-calls' }
  return { kind: said.refusal && kind === 'stop' ? 'refusal' : kind }
}

const FINISH_REASONS: Readonly<Record<FinishKind, string>> = {
  stop: 'stop',
  'stop-sequence': 'stop',
  length: 'length',
  'context-full': 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
  // Without the model's own words it was a filter that refused.
  refusal: 'content_filter',
  pause: 'stop',
  other: 'stop',
}

export function writeFinish(finish: Finish, said: Said, legacyFunctions: boolean): string {
  if (finish.kind === 'refusal' && said.refusal) return 'stop'
  const isCall = finish.kind === 'tool-calls' || (said.calls && FINISH_REASONS[finish.kind] === 'stop')
  if (isCall) return legacyFunctions ? 'function_call' : 'tool_calls'
  return FINISH_REASONS[finish.kind]
}

/**
 * @returns null for anything but an object with counts. Hosts that leave thought out of `completion_tokens`
 * (xAI, Gemini) still count it in the total.
 */
export function readUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null
  const input = numberOf(value['prompt_tokens'])
  const said = numberOf(value['completion_tokens'])
  if (input === undefined && said === undefined) return null
  const prompt = objectOf(value['prompt_tokens_details'])
  const completion = objectOf(value['completion_tokens_details'])
  const beside = Math.max(0, (numberOf(value['total_tokens']) ?? 0) - (input ?? 0) - (said ?? 0))
  return {
    input: input ?? 0,
    output: (said ?? 0) + beside,
    cacheRead:
      numberOf(prompt['cached_tokens']) ??
      // Moonshot's, and DeepSeek's.
      numberOf(value['cached_tokens']) ??
      numberOf(value['prompt_cache_hit_tokens']) ??
      0,
    cacheWrite: numberOf(prompt['cache_write_tokens']) ?? 0,
    cacheWriteLong: 0,
    reasoning: numberOf(completion['reasoning_tokens']) ?? beside,
    inputAudio: numberOf(prompt['audio_tokens']) ?? 0,
    outputAudio: numberOf(completion['audio_tokens']) ?? 0,
    native: value,
  }
}

export const writeUsage = (usage: Usage): JsonObject => ({
  prompt_tokens: usage.input,
  completion_tokens: usage.output,
  total_tokens: usage.input + usage.output,
  prompt_tokens_details: {
    cached_tokens: usage.cacheRead,
    audio_tokens: usage.inputAudio,
    ...(usage.cacheWrite > 0 ? { cache_write_tokens: usage.cacheWrite } : {}),
  },
  completion_tokens_details: {
    reasoning_tokens: usage.reasoning,
    audio_tokens: usage.outputAudio,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
})

/** Tokens of the text and of the refusal; null where none were sent. */
export function readLogprobs(value: unknown): readonly TokenLogprob[] | null {
  if (!isObject(value)) return null
  const tokens = [...arrayOf(value['content']), ...arrayOf(value['refusal'])].filter(isObject)
  return tokens.length === 0
    ? null
    : tokens.map((token) => ({
        ...readToken(token),
        top: arrayOf(token['top_logprobs']).filter(isObject).map(readToken),
      }))
}

const readToken = (token: JsonObject): Omit<TokenLogprob, 'top'> => ({
  token: stringOf(token['token']) ?? '',
  logprob: numberOf(token['logprob']) ?? 0,
  bytes: Array.isArray(token['bytes'])
    ? arrayOf(token['bytes']).filter((byte) => typeof byte === 'number')
    : null,
})

export const writeLogprobs = (tokens: readonly TokenLogprob[]): JsonObject => ({
  content: tokens.map(({ token, logprob, bytes, top }) => ({
    token,
    logprob,
    bytes,
    top_logprobs: top.map((other) => ({ ...other })),
  })),
  refusal: null,
})

/** OpenAI's breakpoint, or Anthropic's mark as OpenRouter and others take it. */
export function readCacheMark(part: JsonObject): CacheMark | undefined {
  const own = part['prompt_cache_breakpoint']
  const borrowed = part['cache_control']
  if (!isObject(own) && !isObject(borrowed)) return undefined
  const ttl = stringOf(objectOf(own)['ttl']) ?? stringOf(objectOf(borrowed)['ttl'])
  return { ttl: ttl === undefined ? null : ttl === '12h' || ttl === '1h' ? 'long' : 'short' }
}

export function readCitations(annotations: JsonValue | undefined): readonly Citation[] {
  return arrayOf(annotations).flatMap((annotation): readonly Citation[] => {
    const native = objectOf(annotation)
    const cited = objectOf(native['url_citation'])
    const url = stringOf(cited['url'])
    if (url === undefined) return []
    const title = stringOf(cited['title'])
    const start = numberOf(cited['start_index'])
    const end = numberOf(cited['end_index'])
    return [
      {
        kind: 'url',
        url,
        ...(title === undefined ? {} : { title }),
        ...(start === undefined ? {} : { start }),
        ...(end === undefined ? {} : { end }),
        native: { dialect: 'openai-chat', value: native },
      },
    ]
  })
}

/**
 * Chat knows citations of addresses only; SDKs refuse any other.
 *
 * @param from where the citation's text begins in the whole content.
 * @param length of that text: what is cited when no place is given.
 */
export function writeCitations(
  citations: readonly Citation[],
  from: number,
  length: number,
): readonly JsonObject[] {
  return citations.flatMap(({ url, title, start, end }) =>
    url === undefined
      ? []
      : [
          {
            type: 'url_citation',
            url_citation: {
              start_index: from + (start ?? 0),
              end_index: from + (end ?? length),
              title: title ?? '',
              url,
            },
          },
        ],
  )
}
