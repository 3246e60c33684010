/**
 * Tokens by kind, as they are counted and paid for.
 *
 * Pure data. Totals include what they are made of: `input` what the cache gave and took, `output` the thought.
 */
export const TOKEN_KINDS = [
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  /** Of `cacheWrite`, what is kept long (Anthropic's 1 h). */
  'cacheWriteLong',
  'reasoning',
  'inputAudio',
  'outputAudio',
] as const
export type TokenKind = (typeof TOKEN_KINDS)[number]
export type Tokens = Readonly<Record<TokenKind, number>>

export const NO_TOKENS: Tokens = {
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteLong: 0,
  reasoning: 0,
  inputAudio: 0,
  outputAudio: 0,
}
