/** The client SDKs that we are held to, each with the dialect it speaks. */
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import { aiSdk } from './ai.ts'
import { anthropicSdk } from './anthropic.ts'
import { genaiSdk } from './genai.ts'
import { openaiChatSdk, openaiResponsesSdk } from './openai.ts'
import type { OpenSdk, SdkName } from './told.ts'

export const SDKS: Readonly<Record<SdkName, Readonly<{ dialect: DialectName; open: OpenSdk }>>> = {
  'openai-chat': { dialect: 'openai-chat', open: openaiChatSdk },
  'openai-responses': { dialect: 'openai-responses', open: openaiResponsesSdk },
  anthropic: { dialect: 'anthropic', open: anthropicSdk },
  gemini: { dialect: 'gemini', open: genaiSdk },
  'ai-openai-chat': { dialect: 'openai-chat', open: aiSdk('ai-openai-chat') },
  'ai-openai-responses': { dialect: 'openai-responses', open: aiSdk('ai-openai-responses') },
  'ai-anthropic': { dialect: 'anthropic', open: aiSdk('ai-anthropic') },
  'ai-google': { dialect: 'gemini', open: aiSdk('ai-google') },
}

export const SDK_NAMES = Object.keys(SDKS) as readonly SdkName[]
