/** The providers of the `ai` SDK, which parse every format by themselves. */
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { argsOf, type FinishClass, type Sdk, type SdkName, type Told } from './told.ts'

export type AiName = Extract<SdkName, `ai-${string}`>
type AiModel = ReturnType<ReturnType<typeof createOpenAI>['chat']>
type Generated = Awaited<ReturnType<AiModel['doGenerate']>>
type Piece = Awaited<ReturnType<AiModel['doStream']>>['stream'] extends ReadableStream<infer P> ? P : never

/** A model of each provider, as its own documentation makes it. */
function aiModel(name: AiName, origin: string, apiKey: string, model: string): AiModel {
  switch (name) {
    case 'ai-openai-chat':
      return createOpenAI({ apiKey, baseURL: `${origin}/v1` }).chat(model)
    case 'ai-openai-responses':
      return createOpenAI({ apiKey, baseURL: `${origin}/v1` }).responses(model)
    case 'ai-anthropic':
      return createAnthropic({ apiKey, baseURL: `${origin}/v1` })(model)
    case 'ai-google':
      return createGoogle({ apiKey, baseURL: `${origin}/v1beta` })(model)
    default:
      return name satisfies never
  }
}

export function aiSdk(name: AiName): (origin: string, key: string) => Sdk {
  return (origin, key) => ({
    name,
    ask: async (model, stream) => {
      const asked = {
        prompt: [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'hello' }] }],
      }
      const made = aiModel(name, origin, key, model)
      if (!stream) return toldByGenerated(await made.doGenerate(asked))
      const { stream: pieces } = await made.doStream(asked)
      return await toldByPieces(pieces)
    },
  })
}

const FINISHES: Readonly<Record<string, FinishClass>> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tools',
  'content-filter': 'filter',
}

type Counts = Generated['usage']
const usageOf = ({ inputTokens, outputTokens }: Counts): Told['usage'] => ({
  input: inputTokens.total ?? 0,
  output: outputTokens.total ?? 0,
  cached: inputTokens.cacheRead ?? 0,
  reasoning: outputTokens.reasoning ?? 0,
})

function toldByGenerated({ content, finishReason, usage }: Generated): Told {
  return {
    text: content.map((part) => (part.type === 'text' ? part.text : '')).join(''),
    reasoning: content.map((part) => (part.type === 'reasoning' ? part.text : '')).join(''),
    calls: content.flatMap((part) =>
      part.type === 'tool-call' && part.providerExecuted !== true
        ? [{ name: part.toolName, args: argsOf(part.input) }]
        : [],
    ),
    finish: FINISHES[finishReason.unified] ?? 'other',
    usage: usageOf(usage),
  }
}

async function toldByPieces(pieces: ReadableStream<Piece>): Promise<Told> {
  let text = ''
  let reasoning = ''
  let finish: FinishClass = 'other'
  let usage: Told['usage'] = null
  const calls: Told['calls'][number][] = []
  for await (const piece of pieces) {
    if (piece.type === 'error')
      throw piece.error instanceof Error ? piece.error : new Error(JSON.stringify(piece.error))
    if (piece.type === 'text-delta') text += piece.delta
    if (piece.type === 'reasoning-delta') reasoning += piece.delta
    if (piece.type === 'tool-call' && piece.providerExecuted !== true)
      calls.push({ name: piece.toolName, args: argsOf(piece.input) })
    if (piece.type === 'finish') {
      if (piece.finishReason.unified === 'interrupted') throw new Error('interrupted')
      finish = FINISHES[piece.finishReason.unified] ?? 'other'
      usage = usageOf(piece.usage)
    }
  }
  return { text, reasoning, calls, finish, usage }
}
