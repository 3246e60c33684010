/**
 * Each SDK's own tool loop, as its documentation writes it: it asks, runs the tools that are called, sends the
 * results, until there is an answer.
 */
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import Anthropic from '@anthropic-ai/sdk'
import {
  GoogleGenAI,
  type CallableTool,
  type FunctionCall,
  type GenerateContentParameters,
  type GenerateContentResponse,
} from '@google/genai'
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'
import OpenAI from 'openai'
import type { ResponseInput } from 'openai/resources/responses/responses'
import type { SdkName } from '../sdk/told.ts'

/** What the tool says of a city. */
export type Weather = (city: string) => object

export type Loop = (
  asked: Readonly<{
    origin: string
    key: string
    model: string
    stream: boolean
    prompt: string
    weather: Weather
  }>,
) => Promise<string>

const NAME = 'get_weather'
const DESCRIPTION = 'The weather in a city.'
const SCHEMA = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const } },
  required: ['city'],
  additionalProperties: false,
}
const cityOf = (args: unknown): string => (args as { city: string }).city

const openaiChat: Loop = async ({ origin, key, model, stream, prompt, weather }) => {
  const openai = new OpenAI({ apiKey: key, baseURL: `${origin}/v1`, maxRetries: 0 })
  const run = (args: object): string => JSON.stringify(weather(cityOf(args)))
  const called = {
    name: NAME,
    description: DESCRIPTION,
    parameters: SCHEMA,
    parse: (text: string) => JSON.parse(text) as object,
    function: run,
  }
  const messages = [{ role: 'user' as const, content: prompt }]
  const asked = {
    model,
    messages,
    reasoning_effort: 'medium' as const,
    tools: [{ type: 'function' as const, function: called }],
  }
  const runner = stream
    ? openai.chat.completions.runTools({ ...asked, stream: true })
    : openai.chat.completions.runTools(asked)
  return (await runner.finalContent()) ?? ''
}

/** The SDK has no loop of its own for responses: what its guide says to do. */
const openaiResponses: Loop = async ({ origin, key, model, stream, prompt, weather }) => {
  const openai = new OpenAI({ apiKey: key, baseURL: `${origin}/v1`, maxRetries: 0 })
  const input: ResponseInput = [{ role: 'user', content: prompt }]
  for (let step = 0; step < 10; step++) {
    const asked = {
      model,
      input,
      store: false,
      include: ['reasoning.encrypted_content' as const],
      reasoning: { effort: 'medium' as const, summary: 'auto' as const },
      tools: [
        { type: 'function' as const, name: NAME, description: DESCRIPTION, parameters: SCHEMA, strict: true },
      ],
    }
    const response = stream
      ? await openai.responses.stream(asked).finalResponse()
      : await openai.responses.create(asked)
    // An answer's items are a question's items: the guide pushes them as they are.
    input.push(...(response.output as ResponseInput))
    const calls = response.output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
    if (calls.length === 0) return response.output_text
    for (const call of calls) {
      const output = JSON.stringify(weather(cityOf(JSON.parse(call.arguments))))
      input.push({ type: 'function_call_output', call_id: call.call_id, output })
    }
  }
  throw new Error('the loop does not end')
}

const anthropic: Loop = async ({ origin, key, model, stream, prompt, weather }) => {
  const client = new Anthropic({ apiKey: key, baseURL: origin, maxRetries: 0 })
  const runner = client.beta.messages.toolRunner({
    model,
    max_tokens: 8_000,
    thinking: { type: 'enabled', budget_tokens: 2_000 },
    messages: [{ role: 'user', content: prompt }],
    tools: [
      {
        name: NAME,
        description: DESCRIPTION,
        input_schema: SCHEMA,
        parse: (input: unknown) => input as object,
        run: (input: object) => JSON.stringify(weather(cityOf(input))),
      },
    ],
    stream,
  })
  const { content } = await runner.runUntilDone()
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}

const gemini: Loop = async ({ origin, key, model, stream, prompt, weather }) => {
  const genai = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: origin } })
  const callable: CallableTool = {
    tool: async () => ({
      functionDeclarations: [{ name: NAME, description: DESCRIPTION, parametersJsonSchema: SCHEMA }],
    }),
    callTool: async (calls: FunctionCall[]) =>
      calls.map(({ id, name, args }) => ({
        functionResponse: {
          ...(id === undefined ? {} : { id }),
          ...(name === undefined ? {} : { name }),
          response: { ...weather(cityOf(args)) },
        },
      })),
  }
  const asked: GenerateContentParameters = {
    model,
    contents: prompt,
    config: { tools: [callable], thinkingConfig: { includeThoughts: true, thinkingBudget: 2_000 } },
  }
  const textOf = ({ candidates }: GenerateContentResponse): string =>
    (candidates?.[0]?.content?.parts ?? [])
      .map((part) => (part.thought === true ? '' : (part.text ?? '')))
      .join('')
  if (!stream) return textOf(await genai.models.generateContent(asked))
  let text = ''
  for await (const chunk of await genai.models.generateContentStream(asked)) text += textOf(chunk)
  return text
}

type AiModel = Parameters<typeof generateText>[0]['model']

/** @param open the provider's model, and how it is asked to think. */
const ai =
  (
    open: (asked: Readonly<{ origin: string; key: string; model: string }>) => AiModel,
    providerOptions: NonNullable<Parameters<typeof generateText>[0]['providerOptions']>,
  ): Loop =>
  async ({ origin, key, model, stream, prompt, weather }) => {
    const tools = {
      [NAME]: tool({
        description: DESCRIPTION,
        inputSchema: jsonSchema<{ city: string }>(SCHEMA),
        execute: async ({ city }) => weather(city),
      }),
    }
    const asked = {
      model: open({ origin, key, model }),
      prompt,
      tools,
      stopWhen: stepCountIs(10),
      maxRetries: 0,
      providerOptions,
    }
    if (!stream) return (await generateText(asked)).text
    let failure: unknown = null
    const answer = streamText({ ...asked, onError: ({ error }) => void (failure = error) })
    const text = await answer.text
    if (failure !== null) throw failure
    return text
  }

export const LOOPS: Readonly<Record<SdkName, Loop>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic,
  gemini,
  'ai-openai-chat': ai(
    ({ origin, key, model }) => createOpenAI({ apiKey: key, baseURL: `${origin}/v1` }).chat(model),
    { openai: { reasoningEffort: 'medium', forceReasoning: true } },
  ),
  'ai-openai-responses': ai(
    ({ origin, key, model }) => createOpenAI({ apiKey: key, baseURL: `${origin}/v1` }).responses(model),
    {
      openai: {
        store: false,
        reasoningEffort: 'medium',
        reasoningSummary: 'auto',
        include: ['reasoning.encrypted_content'],
        forceReasoning: true,
      },
    },
  ),
  'ai-anthropic': ai(
    ({ origin, key, model }) => createAnthropic({ apiKey: key, baseURL: `${origin}/v1` })(model),
    { anthropic: { thinking: { type: 'enabled', budgetTokens: 2_000 } } },
  ),
  'ai-google': ai(
    ({ origin, key, model }) => createGoogle({ apiKey: key, baseURL: `${origin}/v1beta` })(model),
    { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 2_000 } } },
  ),
}
