/**
 * Recordings that not every SDK hears as the SDK of their own dialect does, each with its reason. Whatever is
 * not listed here must be heard alike.
 */
import type { SdkName } from '../sdk/told.ts'

export type Exception = Readonly<{
  /** How its id ends. */
  recording: string
  /** Absent: all of another dialect. */
  sdks?: readonly SdkName[]
  reason: string
  /** `ai`: the AI SDK's provider hears it rightly, and is what the others are held to. */
  heldTo?: 'ai'
}>

const ANTHROPIC = ['anthropic', 'ai-anthropic'] as const
const GEMINI = ['gemini', 'ai-google'] as const
const TWO_ANSWERS = 'two whole answers in one recording; the first is told, as no client could use both'
const PARTIAL_ARGUMENTS = 'streamed arguments (partialArgs), which the official SDK does not put together'

export const EXCEPTIONS: readonly Exception[] = [
  {
    recording: 'otel-parsed_refused_completion.1',
    sdks: GEMINI,
    reason: 'a model’s refusal: Gemini has no such finish, so it ends with STOP',
  },
  {
    recording: 'pai-openai_previous_response_id.1',
    reason: 'written by hand: its status `complete` is none of the API’s; we hear an answer that ended well',
  },
  {
    recording: 'moonshotai-reasoning.json',
    reason: 'cached tokens beside prompt_tokens, where OpenAI’s SDK does not look; we count them',
  },
  {
    recording: 'mistral-reasoning.chunks.txt',
    reason: 'content as a list of parts, of which OpenAI’s SDK makes [object Object]; we read it',
  },
  {
    recording: 'openai-custom-tool.1.json',
    sdks: [...ANTHROPIC, ...GEMINI, 'ai-openai-chat'],
    reason: 'a call of a free-form tool, which no client of these formats can have offered',
  },
  {
    recording: 'image-generation-tool.1.chunks.txt',
    sdks: ANTHROPIC,
    reason: 'Anthropic’s answers hold no images: it is told as an image in Markdown',
  },
  { recording: 'openai-reasoning-encrypted-content.1.chunks.txt', reason: TWO_ANSWERS },
  { recording: 'anthropic-tool-search-bm25.1.chunks.txt', reason: TWO_ANSWERS },
  { recording: 'anthropic-tool-search-deferred-bm25.chunks.txt', reason: TWO_ANSWERS },
  { recording: 'anthropic-tool-search-regex.1.chunks.txt', reason: TWO_ANSWERS },
  {
    recording: 'anthropic-programmatic-tool-calling.1.json',
    reason: 'several steps in one body: calls and yet end_turn; where there are calls, we say so',
  },
  { recording: 'google-stream-tool-call-arguments.chunks.txt', reason: PARTIAL_ARGUMENTS, heldTo: 'ai' },
  {
    recording: 'array-arguments-missing-terminal-function-call.chunks.txt',
    reason: PARTIAL_ARGUMENTS,
    heldTo: 'ai',
  },
  {
    recording: 'google-vertex-stream-tool-call-arguments-nested.1.chunks.txt',
    reason: PARTIAL_ARGUMENTS,
    heldTo: 'ai',
  },
  {
    recording: 'incomplete_partial_json_response.txt',
    reason: 'arguments cut short: Anthropic’s SDK completes them, others get the text that came',
  },
]

/** Not answers of their dialect at all. */
export const MALFORMED: readonly Readonly<{ recording: string; reason: string }>[] = [
  { recording: 'azure-deepseek-reasoning.1.json', reason: 'a chat answer under the name of a Responses one' },
]
