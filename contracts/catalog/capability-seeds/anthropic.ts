/**
 * What differs among Anthropic's models, and servers that speak its format for models of others.
 *
 * Pure data. A Claude not named here is taken for a new one: the newest family's rules hold for it. Names may
 * carry a vendor's prefix and dots (`anthropic/claude-opus-4.5`), as other hosts write them.
 */
import type { CapabilitySeed } from '../capability.ts'

const ANTHROPIC = /(^|\.)anthropic\.com$/

/** From 4.7 on: no sampling, adaptive thinking at five levels. */
const CURRENT = /claude-/
const FROM_4_6 = /claude-(opus|sonnet)-4[-.]6/
const FROM_4_5 = /claude-(opus|sonnet|haiku)-4[-.]5/
const FROM_4_1 = /claude-opus-4[-.]1(?!\d)/
/** `claude-sonnet-4-0`, `claude-opus-4-20250514`, `claude-sonnet-4@20250514`, `claude-sonnet-4`. */
const FROM_4_0 = /claude-(opus|sonnet)-4($|[-.@](0($|\D)|\d{8}))/
const FROM_3_7 = /claude-3[-.]7/
const FROM_3_5 = /claude-3[-.]5/
const FROM_3 = /claude-3-(opus|sonnet|haiku)/
const FIRST = /claude-(instant|v?[12]($|[-.:]))/

export const seeds: readonly CapabilitySeed[] = [
  // Somebody else's model behind this format: what the format could do when others began to copy it.
  {
    set: { thinking: 'budget', structuredOutput: false, midSystem: false, maxOutputTokens: null },
  },
  {
    model: CURRENT,
    set: {
      sampling: false,
      temperatureWithTopP: false,
      thinking: 'adaptive',
      efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
      structuredOutput: true,
      midSystem: true,
      prefill: false,
      maxOutputTokens: 128_000,
    },
  },
  // Models without sampling lose nothing by the version that refuses it.
  { host: ANTHROPIC, model: CURRENT, set: { anthropicVersion: '2026-10-21' } },
  { model: /claude-opus-4[-.]7/, set: { midSystem: false } },
  // These always think. Forcing them to call a tool is refused by all but the first ones.
  { model: /claude-(fable|mythos)-5/, set: { thinkingOff: false } },
  { model: /claude-(fable|mythos)-5[-.][12](?!\d)/, set: { forcedToolChoice: false } },
  { model: /claude-opus-5[-.]5/, set: { thinkingOff: false, forcedToolChoice: false } },
  {
    model: /claude-sonnet-5[-.]5/,
    set: { thinkingOff: false, betweenTools: true, forcedToolChoice: false },
  },
  {
    model: FROM_4_6,
    set: { sampling: true, efforts: ['low', 'medium', 'high', 'max'], midSystem: false },
  },
  // Before 4.6: thinking by budget, an answer may be begun.
  ...[FROM_4_5, FROM_4_1, FROM_4_0, FROM_3_7, FROM_3_5, FROM_3, FIRST].map((model): CapabilitySeed => ({
    model,
    set: {
      sampling: true,
      thinking: 'budget',
      efforts: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'],
      midSystem: false,
      prefill: true,
      anthropicVersion: '2023-06-01',
    },
  })),
  { model: FROM_4_6, set: { anthropicVersion: '2023-06-01' } },
  { model: FROM_4_5, set: { maxOutputTokens: 64_000 } },
  { model: FROM_4_1, set: { maxOutputTokens: 32_000 } },
  ...[FROM_4_0, FROM_3_7, FROM_3_5, FROM_3, FIRST].map((model): CapabilitySeed => ({
    model,
    set: { structuredOutput: false, temperatureWithTopP: true },
  })),
  { model: /claude-sonnet-4($|[-.@](0($|\D)|\d{8}))/, set: { maxOutputTokens: 64_000 } },
  { model: /claude-opus-4($|[-.@](0($|\D)|\d{8}))/, set: { maxOutputTokens: 32_000 } },
  { model: FROM_3_7, set: { maxOutputTokens: 64_000 } },
  { model: FROM_3_5, set: { thinking: 'none', maxOutputTokens: 8_192 } },
  { model: FROM_3, set: { thinking: 'none', media: ['image'], maxOutputTokens: 4_096 } },
  { model: FIRST, set: { thinking: 'none', media: [], maxOutputTokens: 4_096 } },
]
