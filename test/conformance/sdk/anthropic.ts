/** Anthropic's own SDK. */
import Anthropic from '@anthropic-ai/sdk'
import type { Message } from '@anthropic-ai/sdk/resources/messages'
import type { FinishClass, Sdk, Told } from './told.ts'

const anthropicClient = (origin: string, apiKey: string): Anthropic =>
  new Anthropic({ apiKey, baseURL: origin, maxRetries: 0 })

export function anthropicSdk(origin: string, key: string): Sdk {
  const anthropic = anthropicClient(origin, key)
  return {
    name: 'anthropic',
    ask: async (model, stream) => {
      const asked = { model, max_tokens: 1_000, messages: [{ role: 'user' as const, content: 'hello' }] }
      if (!stream) return toldByMessage(await anthropic.messages.create(asked))
      return toldByMessage(await anthropic.messages.stream(asked).finalMessage())
    },
  }
}

const FINISHES: Readonly<Record<string, FinishClass>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tools',
  refusal: 'filter',
  pause_turn: 'pause',
}

function toldByMessage({ content, stop_reason, usage }: Message): Told {
  return {
    text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    reasoning: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    calls: content.flatMap((block) =>
      block.type === 'tool_use' ? [{ name: block.name, args: block.input }] : [],
    ),
    finish: FINISHES[stop_reason ?? ''] ?? 'other',
    usage: {
      input:
        usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
      output: usage.output_tokens,
      cached: usage.cache_read_input_tokens ?? 0,
      reasoning: usage.output_tokens_details?.thinking_tokens ?? 0,
    },
  }
}
