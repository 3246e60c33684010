/**
 * Models as Anthropic, Google and LiteLLM write them; OpenAI's own is made with the snapshot.
 *
 * Pages hold everything unless the caller asks for fewer: a list that fits one answer needs no second.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { ModelEntry, ModelList } from '../../routing/snapshot.ts'

/** Both vendors' own limit. */
const MOST_ON_A_PAGE = 1_000

export function anthropicModel({ id, displayName, created, contextWindow, maxOutput }: ModelEntry): string {
  return JSON.stringify({
    type: 'model',
    id,
    display_name: displayName,
    created_at: new Date(created * 1_000).toISOString(),
    ...(contextWindow === null ? {} : { max_input_tokens: contextWindow }),
    ...(maxOutput === null ? {} : { max_tokens: maxOutput }),
  })
}

/** `limit`, `after_id` and `before_id`, as the Messages API has them. */
export function anthropicPage({ entries }: ModelList, query: URLSearchParams): Result<string, Problem> {
  const limit = countOf(query, 'limit')
  if (!limit.ok) return limit
  const [after, before] = [query.get('after_id'), query.get('before_id')]
  const start = after === null ? 0 : firstAfter(entries, after)
  const end = before === null ? entries.length : firstFrom(entries, before)
  const wanted = entries.slice(start, end)
  // Going backwards, the page is the one next to where the caller is.
  const isBackwards = before !== null && after === null
  const page = isBackwards ? wanted.slice(-limit.value) : wanted.slice(0, limit.value)
  const text = (id: string | undefined): string => JSON.stringify(id ?? null)
  return ok(
    `{"data":[${page.map(anthropicModel).join(',')}],"has_more":${page.length < wanted.length},` +
      `"first_id":${text(page[0]?.id)},"last_id":${text(page.at(-1)?.id)}}`,
  )
}

export function geminiModel({ id, displayName, contextWindow, maxOutput, mode }: ModelEntry): string {
  return JSON.stringify({
    name: `models/${id}`,
    version: '001',
    displayName,
    ...(contextWindow === null ? {} : { inputTokenLimit: contextWindow }),
    ...(maxOutput === null ? {} : { outputTokenLimit: maxOutput }),
    supportedGenerationMethods: mode === 'embedding' ? EMBEDDING_METHODS : CHAT_METHODS,
  })
}

const CHAT_METHODS = ['generateContent', 'countTokens']
const EMBEDDING_METHODS = ['embedContent', 'batchEmbedContents']

/** `pageSize` and `pageToken`; the token is the last name of the page before, in base64url. */
export function geminiPage({ entries }: ModelList, query: URLSearchParams): Result<string, Problem> {
  const size = countOf(query, 'pageSize')
  if (!size.ok) return size
  const token = query.get('pageToken')
  const start = token === null ? 0 : firstAfter(entries, Buffer.from(token, 'base64url').toString())
  const page = entries.slice(start, start + size.value)
  const last = page.at(-1)
  const next =
    last === undefined || start + page.length >= entries.length
      ? ''
      : `,"nextPageToken":"${Buffer.from(last.id).toString('base64url')}"`
  return ok(`{"models":[${page.map(geminiModel).join(',')}]${next}}`)
}

/** @returns the index of the first entry after a name, whether or not there still is one of that name. */
function firstAfter(entries: readonly ModelEntry[], id: string): number {
  const at = entries.findIndex((entry) => entry.id > id)
  return at === -1 ? entries.length : at
}

function firstFrom(entries: readonly ModelEntry[], id: string): number {
  const at = entries.findIndex((entry) => entry.id >= id)
  return at === -1 ? entries.length : at
}

function countOf(query: URLSearchParams, name: string): Result<number, Problem> {
  const text = query.get(name)
  if (text === null) return ok(MOST_ON_A_PAGE)
  const count = Number(text)
  if (Number.isSafeInteger(count) && count >= 1 && count <= MOST_ON_A_PAGE) return ok(count)
  const message = `${name} must be a whole number from 1 to ${MOST_ON_A_PAGE}.`
  return err({ code: 'invalid_value', param: name, message })
}

const perToken = (perMillion: number | undefined): number | null =>
  perMillion === undefined ? null : perMillion / 1_000_000

/** Nulls are LiteLLM's own way to say that something is not known. */
export function liteLlmInfo({ entries }: ModelList): string {
  const data = entries.map(({ id, mode, contextWindow, maxOutput, abilities, price }) => ({
    model_name: id,
    litellm_params: { model: id },
    model_info: {
      id,
      db_model: false,
      key: id,
      mode,
      max_tokens: maxOutput ?? contextWindow,
      max_input_tokens: contextWindow,
      max_output_tokens: maxOutput,
      input_cost_per_token: perToken(price?.input),
      output_cost_per_token: perToken(price?.output),
      supports_vision: abilities.includes('vision'),
      supports_function_calling: abilities.includes('tools'),
      supports_tool_choice: abilities.includes('tools'),
      supports_reasoning: abilities.includes('reasoning'),
      supports_response_schema: abilities.includes('structured_output'),
      supports_prompt_caching: abilities.includes('prompt_caching'),
      supports_system_messages: mode === 'chat',
      supports_native_streaming: mode === 'chat',
    },
  }))
  return JSON.stringify({ data })
}
