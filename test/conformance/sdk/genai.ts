/** Google's own SDK. */
import { GoogleGenAI, type GenerateContentResponse } from '@google/genai'
import type { FinishClass, Sdk, Told } from './told.ts'

const genaiClient = (origin: string, apiKey: string): GoogleGenAI =>
  new GoogleGenAI({ apiKey, httpOptions: { baseUrl: origin } })

export function genaiSdk(origin: string, key: string): Sdk {
  const genai = genaiClient(origin, key)
  return {
    name: 'gemini',
    ask: async (model, stream) => {
      const asked = { model, contents: 'hello' }
      if (!stream) return toldByGemini([await genai.models.generateContent(asked)])
      const chunks: GenerateContentResponse[] = []
      for await (const chunk of await genai.models.generateContentStream(asked)) chunks.push(chunk)
      return toldByGemini(chunks)
    },
  }
}

const FINISHES: Readonly<Record<string, FinishClass>> = { STOP: 'stop', MAX_TOKENS: 'length' }
const UNTOLD = new Set(['OTHER', 'MALFORMED_FUNCTION_CALL', 'MALFORMED_RESPONSE', 'NO_IMAGE'])

function toldByGemini(chunks: readonly GenerateContentResponse[]): Told {
  const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? [])
  const calls = parts.flatMap(({ functionCall }) =>
    functionCall?.name === undefined ? [] : [{ name: functionCall.name, args: functionCall.args ?? {} }],
  )
  const reason = chunks.findLast((chunk) => chunk.candidates?.[0]?.finishReason !== undefined)
    ?.candidates?.[0]?.finishReason
  const isBlocked = chunks.some((chunk) => chunk.promptFeedback?.blockReason !== undefined)
  const usage = chunks.findLast((chunk) => chunk.usageMetadata !== undefined)?.usageMetadata
  const ended: FinishClass =
    reason === undefined
      ? isBlocked
        ? 'filter'
        : 'other'
      : (FINISHES[reason] ?? (UNTOLD.has(reason) ? 'other' : 'filter'))
  return {
    text: parts.map(({ text, thought }) => (thought === true ? '' : (text ?? ''))).join(''),
    reasoning: parts.map(({ text, thought }) => (thought === true ? (text ?? '') : '')).join(''),
    calls,
    finish: ended === 'stop' && calls.length > 0 ? 'tools' : ended,
    usage:
      usage === undefined
        ? null
        : {
            input: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
            output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
            cached: usage.cachedContentTokenCount ?? 0,
            reasoning: usage.thoughtsTokenCount ?? 0,
          },
  }
}
