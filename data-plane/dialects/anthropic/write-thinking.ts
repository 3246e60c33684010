/**
 * How much Claude shall think, and which dice it may throw while it does.
 *
 * Pure. Models before 4.6 take a budget of tokens; later ones decide themselves (`adaptive`) and are told an
 * effort; the newest cannot be kept from thinking. Sampling and thinking exclude each other.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { Losses } from '../canonical/loss.ts'
import type { CanonicalRequest, Effort, ReasoningWish } from '../canonical/request.ts'
import { budgetFor, effortFor } from '../repair/effort.ts'
import { DIALECT, LEAST_BUDGET } from './terms.ts'

export type Thinking = Readonly<{
  /** The field `thinking`; null: not said, the model's own default holds. */
  field: JsonObject | null
  /** `output_config.effort`. */
  effort: string | null
  /** It was asked to think. */
  isOn: boolean
}>

const UNSAID: Thinking = { field: null, effort: null, isOn: false }
const OFF: Thinking = { field: { type: 'disabled' }, effort: null, isOn: false }

/** @param maxTokens of the answer, thoughts included. */
export function planThinking(
  request: CanonicalRequest,
  capabilities: Capabilities,
  maxTokens: number,
  losses: Losses,
): Thinking {
  const wish = request.reasoning
  if (wish === undefined) return UNSAID
  if (capabilities.betweenTools === true && isBetweenTools(request)) {
    return { field: { type: 'between_tools' }, effort: effortBesideOff(request, losses), isOn: true }
  }
  const isBudget = capabilities.thinking === 'budget'
  if (isBudget && request.dialect === DIALECT && (wish.budget ?? 0) > 0) {
    return enabled(wish.budget ?? 0, wish, request)
  }
  const effort = effortFor(wish, withoutLeap(capabilities, wish), maxTokens, losses)
  if (effort === null) return UNSAID
  if (effort === 'none') return { ...OFF, effort: effortBesideOff(request, losses) }
  if (wish.effort === 'none') return leastThinking(capabilities, request, losses)
  if (!isBudget) {
    const said = wish.effort === undefined && wish.budget === undefined ? null : effort
    return { field: { type: 'adaptive', ...display(wish, request) }, effort: said, isOn: true }
  }
  // Thoughts count towards the answer's tokens, and something has to be left for the answer.
  if (maxTokens <= LEAST_BUDGET) {
    losses.warn('reasoning.effort', 'dropped')
    return UNSAID
  }
  return enabled(Math.min(budgetFor(effort, maxTokens), Math.ceil(maxTokens * 0.95)), wish, request)
}

function enabled(budget: number, wish: ReasoningWish, request: CanonicalRequest): Thinking {
  const tokens = Math.max(LEAST_BUDGET, budget)
  const shown = request.dialect === DIALECT ? display(wish, request) : {}
  return { field: { type: 'enabled', budget_tokens: tokens, ...shown }, effort: null, isOn: true }
}

/** An Anthropic client that knows its model asks for exactly that. */
const isBetweenTools = ({ dialect, extras }: CanonicalRequest): boolean =>
  dialect === DIALECT &&
  extras.some(({ path, value }) => path === 'thinking.type' && value === 'between_tools')

/** `xhigh` falls to `high` where it is not known: to leap to `max` would cost what nobody asked for. */
const withoutLeap = (capabilities: Capabilities, wish: ReasoningWish): Capabilities =>
  wish.effort === 'xhigh' && !capabilities.efforts.includes('xhigh')
    ? { ...capabilities, efforts: capabilities.efforts.filter((effort) => effort !== 'max') }
    : capabilities

/** It was to be switched off and cannot be; the loss has been told. */
function leastThinking(capabilities: Capabilities, request: CanonicalRequest, losses: Losses): Thinking {
  if (capabilities.thinking !== 'adaptive') return UNSAID
  const effort = effortBesideOff(request, losses)
  if (capabilities.betweenTools === true) return { field: { type: 'between_tools' }, effort, isOn: true }
  return { field: null, effort: effort ?? 'low', isOn: true }
}

const UP_TO_HIGH: readonly string[] = ['low', 'medium', 'high'] satisfies Effort[]

/** An Anthropic client may say how much shall be said without thinking; above `high` that is refused. */
function effortBesideOff(request: CanonicalRequest, losses: Losses): string | null {
  const extra = request.extras.find(({ path }) => path === 'output_config.effort')
  if (request.dialect !== DIALECT || typeof extra?.value !== 'string') return null
  if (UP_TO_HIGH.includes(extra.value)) return extra.value
  losses.warn('output_config.effort', 'clamped')
  return 'high'
}

/** Newer models keep their thoughts to themselves unless asked to show them. */
function display(wish: ReasoningWish, request: CanonicalRequest): JsonObject {
  if (wish.show === 'none') return request.dialect === DIALECT ? { display: 'omitted' } : {}
  const isShown = wish.show !== undefined || (request.dialect !== DIALECT && request.telling.reasoning)
  return isShown ? { display: 'summarized' } : {}
}

/** Least `top_p` that goes with thinking. */
const LEAST_TOP_P = 0.95

/** The fields `temperature`, `top_p`, `top_k`: as far as this model takes them. */
export function writeSampling(
  request: CanonicalRequest,
  capabilities: Capabilities,
  isThinking: boolean,
  losses: Losses,
): JsonObject {
  const { temperature, topP, topK } = request.params
  const written: { temperature?: number; top_p?: number; top_k?: number } = {}
  const drop = (name: 'temperature' | 'topP' | 'topK'): void => losses.warn(`params.${name}`, 'unsupported')
  // One is the default of both, so leaving it out changes nothing and is not worth a word.
  if (temperature !== undefined && (capabilities.sampling || temperature !== 1)) {
    if (!capabilities.sampling || (isThinking && temperature !== 1)) drop('temperature')
    else written.temperature = clamp(temperature, capabilities, losses)
  }
  if (topP !== undefined && (capabilities.sampling || topP !== 1)) {
    const isSecond = written.temperature !== undefined && capabilities.temperatureWithTopP === false
    if (!capabilities.sampling || (isThinking && topP < LEAST_TOP_P)) drop('topP')
    else if (!isSecond) written.top_p = topP
    else if (topP !== 1) drop('topP')
  }
  if (topK !== undefined) {
    if (!capabilities.sampling || isThinking) drop('topK')
    else written.top_k = topK
  }
  return written
}

function clamp(temperature: number, { maxTemperature }: Capabilities, losses: Losses): number {
  if (temperature <= maxTemperature) return temperature
  losses.warn('params.temperature', 'clamped')
  return maxTemperature
}
