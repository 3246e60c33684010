/**
 * The bytes of a chat answer, as OpenAI sends them: one JSON object, or a stream of events.
 *
 * Pure. The same request gets the same answer, apart from its number.
 */
export type ChatRequest = Readonly<{
  model: string
  stream: boolean
  includeUsage: boolean
  promptWords: number
}>

/** @returns what matters of a request body; a body that is not a chat request asks for nothing special. */
export function readChatRequest(body: string): ChatRequest {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    value = null
  }
  const given = isRecord(value) ? value : {}
  const options = isRecord(given['stream_options']) ? given['stream_options'] : {}
  return {
    model: typeof given['model'] === 'string' ? given['model'] : 'unknown',
    stream: given['stream'] === true,
    includeUsage: options['include_usage'] === true,
    promptWords: JSON.stringify(given['messages'] ?? '').split(' ').length,
  }
}

/** 2023-11-14, as good as any. */
const CREATED = 1_700_000_000

export function jsonAnswer(request: ChatRequest, words: readonly string[], number: number): string {
  return JSON.stringify({
    id: `chatcmpl-fake-${number}`,
    object: 'chat.completion',
    created: CREATED,
    model: request.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: words.join(''), refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: usage(request, words),
    system_fingerprint: 'fp_fake',
  })
}

/** @returns one SSE event a piece: role, words, finish, usage when asked for, `[DONE]`. */
export function streamAnswer(
  request: ChatRequest,
  words: readonly string[],
  number: number,
): readonly string[] {
  const base = {
    id: `chatcmpl-fake-${number}`,
    object: 'chat.completion.chunk',
    created: CREATED,
    model: request.model,
    system_fingerprint: 'fp_fake',
  }
  const usageField = request.includeUsage ? { usage: null } : {}
  const chunk = (delta: object, finish: string | null): string =>
    event({ ...base, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], ...usageField })
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...words.map((word) => chunk({ content: word }, null)),
    chunk({}, 'stop'),
    ...(request.includeUsage ? [event({ ...base, choices: [], usage: usage(request, words) })] : []),
    'data: [DONE]\n\n',
  ]
}

export const modelList = (models: readonly string[]): string =>
  JSON.stringify({
    object: 'list',
    data: models.map((id) => ({ id, object: 'model', created: CREATED, owned_by: 'fake' })),
  })

const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`

const usage = (request: ChatRequest, words: readonly string[]) => ({
  prompt_tokens: request.promptWords,
  completion_tokens: words.length,
  total_tokens: request.promptWords + words.length,
})

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
