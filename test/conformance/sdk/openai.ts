/** OpenAI's own SDK: chat completions and responses. */
import OpenAI from 'openai'
import type { ChatCompletion } from 'openai/resources/chat/completions'
import type { CompletionUsage } from 'openai/resources/completions'
import type { Response } from 'openai/resources/responses/responses'
import { argsOf, type FinishClass, type Sdk, type Told } from './told.ts'

const clientOf = (origin: string, apiKey: string): OpenAI =>
  new OpenAI({ apiKey, baseURL: `${origin}/v1`, maxRetries: 0 })

export function openaiChatSdk(origin: string, key: string): Sdk {
  const openai = clientOf(origin, key)
  return {
    name: 'openai-chat',
    ask: async (model, stream) => {
      const asked = { model, messages: [{ role: 'user' as const, content: 'hello' }] }
      if (!stream) return toldByChat(await openai.chat.completions.create(asked))
      const answer = openai.chat.completions.stream({ ...asked, stream_options: { include_usage: true } })
      return toldByChat(await answer.finalChatCompletion())
    },
  }
}

const CHAT_FINISHES: Readonly<Record<string, FinishClass>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tools',
  function_call: 'tools',
  content_filter: 'filter',
}

function toldByChat({ choices, usage }: ChatCompletion): Told {
  const [choice] = choices
  const message = choice?.message
  const { reasoning_content: thought } = (message ?? {}) as { reasoning_content?: string }
  // Some hosts leave the type out.
  const calls = (message?.tool_calls ?? []).map((call) =>
    'function' in call
      ? { name: call.function.name, args: argsOf(call.function.arguments) }
      : { name: call.custom.name, args: call.custom.input },
  )
  const refusal = message?.refusal ?? ''
  const finish = CHAT_FINISHES[choice?.finish_reason ?? ''] ?? 'other'
  return {
    text: (message?.content ?? '') + refusal,
    reasoning: thought ?? '',
    calls,
    finish: refusal === '' ? finish : 'filter',
    usage: usage ? chatCounts(usage) : null,
  }
}

/** xAI and some others do not count what was thought among the completion, only in the total. */
function chatCounts(usage: CompletionUsage): Told['usage'] {
  const output = Math.max(usage.completion_tokens, usage.total_tokens - usage.prompt_tokens)
  return {
    input: usage.prompt_tokens,
    output,
    cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    reasoning: Math.max(
      usage.completion_tokens_details?.reasoning_tokens ?? 0,
      output - usage.completion_tokens,
    ),
  }
}

export function openaiResponsesSdk(origin: string, key: string): Sdk {
  const openai = clientOf(origin, key)
  return {
    name: 'openai-responses',
    ask: async (model, stream) => {
      const asked = { model, input: 'hello' }
      if (!stream) return toldByResponse(await openai.responses.create(asked))
      return toldByResponse(await openai.responses.stream(asked).finalResponse())
    },
  }
}

function toldByResponse(response: Response): Told {
  const { output, status, incomplete_details: incomplete, usage } = response
  const contents = output.flatMap((item) => (item.type === 'message' ? item.content : []))
  const refusals = contents.flatMap((content) => (content.type === 'refusal' ? [content.refusal] : []))
  const calls = output.flatMap((item) => {
    if (item.type === 'function_call') return [{ name: item.name, args: argsOf(item.arguments) }]
    return item.type === 'custom_tool_call' ? [{ name: item.name, args: item.input }] : []
  })
  const reason = incomplete?.reason
  const finish: FinishClass =
    (status ?? 'completed') === 'completed'
      ? calls.length > 0
        ? 'tools'
        : 'stop'
      : reason === 'max_output_tokens'
        ? 'length'
        : reason === 'content_filter'
          ? 'filter'
          : status === 'incomplete'
            ? 'pause'
            : 'other'
  return {
    text: contents.map((one) => (one.type === 'output_text' ? one.text : one.refusal)).join(''),
    reasoning: output
      .flatMap((item) => (item.type === 'reasoning' ? [...item.summary, ...(item.content ?? [])] : []))
      .map(({ text }) => text)
      .join(''),
    calls,
    finish: refusals.length > 0 ? 'filter' : finish,
    usage: usage
      ? {
          input: usage.input_tokens,
          output: usage.output_tokens,
          cached: usage.input_tokens_details?.cached_tokens ?? 0,
          reasoning: usage.output_tokens_details?.reasoning_tokens ?? 0,
        }
      : null,
  }
}
