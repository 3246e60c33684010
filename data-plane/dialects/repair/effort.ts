/**
 * How much a model shall think, between levels and token budgets.
 *
 * Pure. Dialects ask in two currencies: a level by name (OpenAI, Claude from 4.6 on, Gemini from 3 on) or a
 * budget of tokens (older Claude, Gemini 2.5). The exchange rate is a share of the answer's tokens for each
 * level, the same shares in both directions.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import type { Losses } from '../canonical/loss.ts'
import { EFFORTS, type Effort, type ReasoningWish } from '../canonical/request.ts'

/** Share of the most output tokens; the defaults of the AI SDK. */
const SHARES: readonly (readonly [Effort, number])[] = [
  ['minimal', 0.02],
  ['low', 0.1],
  ['medium', 0.3],
  ['high', 0.6],
  ['xhigh', 0.9],
  ['max', 0.95],
]

/** Least budget that is worth asking for, in tokens; Anthropic refuses smaller ones. */
const LEAST_BUDGET = 1_024

/**
 * A budget says little beside a small cap (1 024 of 2 048 tokens is not much thought), so it is measured
 * against at least this many tokens. Google's own table (1 024 low, 8 192 medium, 24 576 high) fits it.
 */
const LEAST_REFERENCE = 32_000

/** Thinking is on, and how much is left to the model. */
const UNSAID: Effort = 'medium'

/** @returns tokens to think with, out of `maxTokens`; 0 for `none`. */
export function budgetFor(effort: Effort, maxTokens: number): number {
  const share = SHARES.find(([name]) => name === effort)?.[1]
  return share === undefined ? 0 : Math.max(LEAST_BUDGET, Math.round(maxTokens * share))
}

/** @returns the level whose share of `maxTokens` is nearest to the budget; the higher one of two as near. */
export function effortOfBudget(budget: number, maxTokens: number): Effort {
  if (budget === 0) return 'none'
  if (budget < 0) return UNSAID
  const share = budget / Math.max(maxTokens, 1)
  let closest: Effort = 'minimal'
  let distance = Infinity
  for (const [effort, at] of SHARES) {
    if (Math.abs(at - share) > distance) break
    distance = Math.abs(at - share)
    closest = effort
  }
  return closest
}

/**
 * @param maxTokens the client's cap on the answer.
 * @returns the level to ask of this model; null: nothing is to be asked, its own default holds.
 */
export function effortFor(
  wish: ReasoningWish | undefined,
  capabilities: Capabilities,
  maxTokens: number | undefined,
  losses: Losses,
): Effort | null {
  const wanted = wantedEffort(wish, maxTokens)
  if (wanted === null) return null
  const isOff = wanted === 'none'
  if (capabilities.thinking === 'none') {
    if (!isOff) losses.warn('reasoning.effort', 'unsupported')
    return null
  }
  const taken = isOff && capabilities.thinkingOff ? 'none' : nearest(wanted, capabilities)
  // A level that was only reckoned from a budget was never the client's word, unless it was: none at all.
  const isTheirWord = isOff || wish?.effort !== undefined
  if (isTheirWord && !isSameInEffect(taken, wanted)) losses.warn('reasoning.effort', 'degraded')
  return taken
}

function wantedEffort(wish: ReasoningWish | undefined, maxTokens: number | undefined): Effort | null {
  if (wish?.effort !== undefined) return wish.effort
  if (wish?.budget !== undefined)
    return effortOfBudget(wish.budget, Math.max(maxTokens ?? 0, LEAST_REFERENCE))
  return wish?.adaptive === true ? UNSAID : null
}

/** Of two as near the higher one, as Google maps OpenAI's `medium` for models with `low` and `high` only. */
function nearest(wanted: Effort, capabilities: Capabilities): Effort {
  const rank = EFFORTS.indexOf(wanted)
  const distance = (effort: Effort): number => Math.abs(EFFORTS.indexOf(effort) - rank)
  let best: Effort | undefined
  for (const effort of EFFORTS) {
    if (!capabilities.efforts.includes(effort) || (effort === 'none' && !capabilities.thinkingOff)) continue
    // Whoever wants thought gets some.
    if (effort === 'none' && wanted !== 'none') continue
    if (best === undefined || distance(effort) <= distance(best)) best = effort
  }
  return best ?? wanted
}

/** `minimal` and `low` are one level to most vendors. */
const isSameInEffect = (a: Effort, b: Effort): boolean =>
  a === b || ((a === 'minimal' || a === 'low') && (b === 'minimal' || b === 'low'))
