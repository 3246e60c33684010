/**
 * What a client's SDK makes of an answer, in words that all of them share.
 */

export type FinishClass = 'stop' | 'length' | 'tools' | 'filter' | 'pause' | 'other'

export type Told = Readonly<{
  /** Refusals included: not every format tells them apart. */
  text: string
  reasoning: string
  calls: readonly Readonly<{ name: string; args: unknown }>[]
  finish: FinishClass
  /** Totals as the ledger counts them: cached tokens are input, thought ones output. */
  usage: Readonly<{ input: number; output: number; cached: number; reasoning: number }> | null
}>

export type SdkName =
  | 'openai-chat'
  | 'openai-responses'
  | 'anthropic'
  | 'gemini'
  | 'ai-openai-chat'
  | 'ai-openai-responses'
  | 'ai-anthropic'
  | 'ai-google'

export type Sdk = Readonly<{
  name: SdkName
  /** Asks a short question and reads the whole answer. @throws as the SDK does. */
  ask: (model: string, stream: boolean) => Promise<Told>
}>

/** @param origin without a version, as `http://127.0.0.1:8080`. */
export type OpenSdk = (origin: string, key: string) => Sdk

/** Arguments as tools are given them; text that is no JSON stays text. */
export function argsOf(text: string): unknown {
  try {
    return text === '' ? {} : (JSON.parse(text) as unknown)
  } catch {
    return text
  }
}
