/**
 * What else clients ask for, as each SDK's documentation writes it: images, documents, answers in a schema, a
 * tool that must be called, tokens counted, embeddings, the list of models.
 */
import Anthropic from '@anthropic-ai/sdk'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { FunctionCallingConfigMode, GoogleGenAI, type Part } from '@google/genai'
import { generateText, jsonSchema, Output, tool } from 'ai'
import OpenAI from 'openai'
import type { SdkName } from '../sdk/told.ts'

/** One pixel. */
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC'
export const PDF = Buffer.from('%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n').toString(
  'base64',
)
const SCHEMA = {
  type: 'object' as const,
  properties: { population: { type: 'integer' as const } },
  required: ['population'],
  additionalProperties: false,
}
export const TOOL = 'count_people'
const QUESTION = 'How many?'

export type Wish = 'image' | 'document' | 'schema' | 'forced tool'
/** The SDK's client for one model. @returns what it heard; null: it cannot ask for that. */
export type Rich = Readonly<{
  ask: (wish: Wish) => Promise<string>
  countTokens?: () => Promise<number>
  embed?: () => Promise<readonly number[]>
  models?: () => Promise<readonly string[]>
}>
export type OpenRich = (origin: string, key: string, model: string) => Rich

const openaiChat: OpenRich = (origin, apiKey, model) => {
  const openai = new OpenAI({ apiKey, baseURL: `${origin}/v1`, maxRetries: 0 })
  const text = { type: 'text' as const, text: QUESTION }
  const parts = {
    image: { type: 'image_url' as const, image_url: { url: `data:image/png;base64,${PNG}` } },
    document: {
      type: 'file' as const,
      file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${PDF}` },
    },
  }
  const called = { type: 'function' as const, function: { name: TOOL, parameters: SCHEMA } }
  return {
    ask: async (wish) => {
      const part = wish === 'image' || wish === 'document' ? [parts[wish]] : []
      const { choices } = await openai.chat.completions.create({
        model,
        messages: [{ role: 'user', content: [text, ...part] }],
        ...(wish === 'schema' && {
          response_format: {
            type: 'json_schema',
            json_schema: { name: 'answer', schema: SCHEMA, strict: true },
          },
        }),
        ...(wish === 'forced tool' && {
          tools: [called],
          tool_choice: { type: 'function', function: { name: TOOL } },
        }),
      })
      return JSON.stringify(choices[0]?.message)
    },
    embed: async () => (await openai.embeddings.create({ model, input: 'hello' })).data[0]?.embedding ?? [],
    models: async () => (await openai.models.list()).data.map(({ id }) => id),
  }
}

const openaiResponses: OpenRich = (origin, apiKey, model) => {
  const openai = new OpenAI({ apiKey, baseURL: `${origin}/v1`, maxRetries: 0 })
  const text = { type: 'input_text' as const, text: QUESTION }
  const parts = {
    image: {
      type: 'input_image' as const,
      image_url: `data:image/png;base64,${PNG}`,
      detail: 'auto' as const,
    },
    document: {
      type: 'input_file' as const,
      filename: 'a.pdf',
      file_data: `data:application/pdf;base64,${PDF}`,
    },
  }
  return {
    ask: async (wish) => {
      const part = wish === 'image' || wish === 'document' ? [parts[wish]] : []
      const { output } = await openai.responses.create({
        model,
        input: [{ role: 'user', content: [text, ...part] }],
        ...(wish === 'schema' && {
          text: { format: { type: 'json_schema', name: 'answer', schema: SCHEMA, strict: true } },
        }),
        ...(wish === 'forced tool' && {
          tools: [{ type: 'function', name: TOOL, parameters: SCHEMA, strict: true }],
          tool_choice: { type: 'function', name: TOOL },
        }),
      })
      return JSON.stringify(output)
    },
    countTokens: async () =>
      (await openai.responses.inputTokens.count({ model, input: QUESTION })).input_tokens,
    models: async () => (await openai.models.list()).data.map(({ id }) => id),
  }
}

const anthropic: OpenRich = (origin, apiKey, model) => {
  const client = new Anthropic({ apiKey, baseURL: origin, maxRetries: 0 })
  const text = { type: 'text' as const, text: QUESTION }
  const parts = {
    image: {
      type: 'image' as const,
      source: { type: 'base64' as const, media_type: 'image/png' as const, data: PNG },
    },
    document: {
      type: 'document' as const,
      source: { type: 'base64' as const, media_type: 'application/pdf' as const, data: PDF },
    },
  }
  return {
    ask: async (wish) => {
      const part = wish === 'image' || wish === 'document' ? [parts[wish]] : []
      const { content } = await client.messages.create({
        model,
        max_tokens: 1_000,
        messages: [{ role: 'user', content: [...part, text] }],
        ...(wish === 'schema' && { output_config: { format: { type: 'json_schema', schema: SCHEMA } } }),
        ...(wish === 'forced tool' && {
          tools: [{ name: TOOL, input_schema: SCHEMA }],
          tool_choice: { type: 'tool', name: TOOL },
        }),
      })
      return JSON.stringify(content)
    },
    countTokens: async () => {
      const messages = [{ role: 'user' as const, content: QUESTION }]
      return (await client.messages.countTokens({ model, messages })).input_tokens
    },
    models: async () => (await client.models.list()).data.map(({ id }) => id),
  }
}

const gemini: OpenRich = (origin, apiKey, model) => {
  const genai = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: origin } })
  const parts: Readonly<Record<'image' | 'document', Part>> = {
    image: { inlineData: { mimeType: 'image/png', data: PNG } },
    document: { inlineData: { mimeType: 'application/pdf', data: PDF } },
  }
  const forced = {
    tools: [{ functionDeclarations: [{ name: TOOL, parametersJsonSchema: SCHEMA }] }],
    toolConfig: {
      functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: [TOOL] },
    },
  }
  return {
    ask: async (wish) => {
      const part = wish === 'image' || wish === 'document' ? [parts[wish]] : []
      const { candidates } = await genai.models.generateContent({
        model,
        contents: [{ role: 'user', parts: [{ text: QUESTION }, ...part] }],
        config: {
          ...(wish === 'schema' && { responseMimeType: 'application/json', responseJsonSchema: SCHEMA }),
          ...(wish === 'forced tool' && forced),
        },
      })
      return JSON.stringify(candidates)
    },
    countTokens: async () => (await genai.models.countTokens({ model, contents: QUESTION })).totalTokens ?? 0,
    embed: async () =>
      (await genai.models.embedContent({ model, contents: 'hello' })).embeddings?.[0]?.values ?? [],
    models: async () => {
      const names: string[] = []
      for await (const { name } of await genai.models.list()) names.push(name ?? '')
      return names
    },
  }
}

type AiModel = Parameters<typeof generateText>[0]['model']

const ai =
  (open: (origin: string, key: string, model: string) => AiModel): OpenRich =>
  (origin, key, model) => ({
    ask: async (wish) => {
      const files = {
        image: [{ type: 'file' as const, data: PNG, mediaType: 'image/png' }],
        document: [{ type: 'file' as const, data: PDF, mediaType: 'application/pdf', filename: 'a.pdf' }],
      }
      const part = wish === 'image' || wish === 'document' ? files[wish] : []
      const { text, toolCalls } = await generateText({
        model: open(origin, key, model),
        maxRetries: 0,
        messages: [{ role: 'user', content: [{ type: 'text', text: QUESTION }, ...part] }],
        ...(wish === 'schema' && { output: Output.object({ schema: jsonSchema(SCHEMA) }) }),
        ...(wish === 'forced tool' && {
          tools: { [TOOL]: tool({ inputSchema: jsonSchema(SCHEMA) }) },
          toolChoice: { type: 'tool' as const, toolName: TOOL },
        }),
      })
      return JSON.stringify([text, toolCalls])
    },
  })

export const RICH: Readonly<Record<SdkName, OpenRich>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic,
  gemini,
  'ai-openai-chat': ai((origin, apiKey, model) =>
    createOpenAI({ apiKey, baseURL: `${origin}/v1` }).chat(model),
  ),
  'ai-openai-responses': ai((origin, apiKey, model) =>
    createOpenAI({ apiKey, baseURL: `${origin}/v1` }).responses(model),
  ),
  'ai-anthropic': ai((origin, apiKey, model) => createAnthropic({ apiKey, baseURL: `${origin}/v1` })(model)),
  'ai-google': ai((origin, apiKey, model) => createGoogle({ apiKey, baseURL: `${origin}/v1beta` })(model)),
}
