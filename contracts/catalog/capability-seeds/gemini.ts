/**
 * What differs among Google's models, by their generations.
 *
 * Pure data. Names may carry a prefix (`models/gemini-3-flash`, `google/gemini-3-flash`).
 */
import type { CapabilitySeed } from '../capability.ts'

/** 1.x and 2.x; a name without a number is of no known generation. */
const BEFORE_3 = /(^|\/)gemini-[12](\.\d+)?-|(^|\/)gemma-/

export const seeds: readonly CapabilitySeed[] = [
  // From 3 on: levels instead of budgets, thought that cannot be switched off, calls that must come back signed.
  {
    set: {
      thinking: 'level',
      efforts: ['minimal', 'low', 'medium', 'high'],
      thinkingOff: false,
      signedCalls: true,
      partResolution: true,
    },
  },
  { model: /(^|\/)gemini-3/, set: { maxOutputTokens: 65_536 } },
  { model: /(^|\/)gemini-3-pro/, set: { efforts: ['low', 'high'] } },
  { model: /(^|\/)gemini-3\.\d+-pro/, set: { efforts: ['low', 'medium', 'high'] } },
  { model: /(^|\/)gemini-3\.[78]-flash/, set: { efforts: ['low', 'medium', 'high'] } },
  { model: /(^|\/)gemini-([4-9]|\d\d)/, set: { efforts: ['low', 'medium', 'high', 'xhigh'] } },
  // Sampling is fixed, penalties are refused, and the last word must be the user's.
  {
    model: /(^|\/)gemini-(3\.5-flash-lite|3\.[6-9]|[4-9]|\d\d)/,
    set: { sampling: false, prefill: false },
  },
  // Drawing models do not insist on signatures and take no levels.
  { model: /(^|\/)gemini-3.*-image/, set: { signedCalls: false } },
  {
    model: BEFORE_3,
    set: {
      thinking: 'none',
      structuredWithTools: false,
      toolResultMedia: false,
      signedCalls: false,
      partResolution: false,
      maxOutputTokens: 8_192,
    },
  },
  {
    model: /(^|\/)gemini-2\.5-/,
    set: {
      thinking: 'budget',
      efforts: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'],
      thinkingOff: true,
      leastBudget: 1,
      mostBudget: 24_576,
      maxOutputTokens: 65_536,
    },
  },
  { model: /(^|\/)gemini-2\.5-flash-lite/, set: { leastBudget: 512 } },
  {
    model: /(^|\/)gemini-2\.5-pro/,
    set: { thinkingOff: false, leastBudget: 128, mostBudget: 32_768 },
  },
  { model: /(^|\/)gemini-2\.5-.*(image|tts|computer-use)/, set: { thinking: 'none' } },
]
