/**
 * One page of a provider's model list, in whatever shape it comes: OpenAI's `data`, Anthropic's with its
 * cursor, Gemini's and Ollama's `models`, a bare array; entries that are objects or only names.
 *
 * Facts about a model are taken from the names different servers give them (OpenRouter, vLLM, Groq, Mistral,
 * Together, LM Studio); what is of the wrong kind is left out, never guessed.
 */
import { z } from 'zod'
import { ListedModel } from '#contracts/catalog/facts/listed-model.ts'
import type { ProviderKind } from '#contracts/catalog/provider.ts'
import { isModelName } from '#contracts/ids.ts'
import { err, ok, type Result } from '#contracts/result.ts'

export type Page = Readonly<{
  models: readonly ListedModel[]
  /** Query parameters of the next page; null: this is the last. */
  next: Readonly<Record<string, string>> | null
}>

type Fields = ReadonlyMap<string, unknown>

/** @returns the page, or why the text is none. */
export function readPage(kind: ProviderKind, text: string): Result<Page, string> {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return err('is not JSON')
  }
  const fields = fieldsOf(body)
  const entries = Array.isArray(body) ? body : (arrayAt(fields, 'data') ?? arrayAt(fields, 'models'))
  if (entries === null) return err('is not a list of models')
  const models = entries.flatMap((entry: unknown) => readEntry(entry) ?? [])
  return ok({ models, next: nextOf(kind, fields, models) })
}

const fieldsOf = (value: unknown): Fields =>
  new Map(typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [])

function arrayAt(fields: Fields, name: string): readonly unknown[] | null {
  const value = fields.get(name)
  return Array.isArray(value) ? value : null
}

function nextOf(kind: ProviderKind, fields: Fields, models: readonly ListedModel[]): Page['next'] {
  const token = fields.get('nextPageToken')
  if (typeof token === 'string' && token !== '') return { pageToken: token }
  if (fields.get('has_more') !== true) return null
  const last = textOf(fields, 'last_id') ?? models.at(-1)?.id
  if (last === undefined) return null
  return kind === 'anthropic' ? { after_id: last } : { after: last }
}

/** @returns null for what names no model. */
function readEntry(entry: unknown): ListedModel | null {
  if (typeof entry === 'string') return isModelName(entry) ? { id: bare(entry) } : null
  const fields = fieldsOf(entry)
  const id = textOf(fields, 'id') ?? textOf(fields, 'model') ?? textOf(fields, 'name')
  if (id === undefined || !isModelName(id)) return null
  const limits = fieldsOf(fields.get('top_provider'))
  const facts = Facts.parse({
    displayName: textOf(fields, 'display_name', 'displayName') ?? otherName(fields, id),
    created: secondsOf(fields.get('created') ?? fields.get('created_at')),
    ownedBy: textOf(fields, 'owned_by'),
    contextWindow: countOf(fields, CONTEXT_NAMES),
    maxOutput: countOf(fields, OUTPUT_NAMES) ?? countOf(limits, ['max_completion_tokens']),
    price: priceOf(fieldsOf(fields.get('pricing'))),
  })
  return {
    id: bare(id),
    ...Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)),
  }
}

const { displayName, created, ownedBy, contextWindow, maxOutput, price } = ListedModel.shape
/** Everything but the id; what does not fit is as good as not said. */
const Facts = z.object({
  displayName: displayName.catch(undefined),
  created: created.catch(undefined),
  ownedBy: ownedBy.catch(undefined),
  contextWindow: contextWindow.catch(undefined),
  maxOutput: maxOutput.catch(undefined),
  price: price.catch(undefined),
})

/** Gemini's ids are resource names; requests take them either way, everybody else writes them without. */
const bare = (id: string): string => (id.startsWith('models/') && id.length > 7 ? id.slice(7) : id)

const CONTEXT_NAMES = [
  'context_window',
  'context_length',
  'max_context_length',
  'max_model_len',
  'inputTokenLimit',
  'max_input_tokens',
] as const
const OUTPUT_NAMES = ['max_completion_tokens', 'max_output_tokens', 'outputTokenLimit', 'max_tokens'] as const

function textOf(fields: Fields, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = fields.get(name)
    if (typeof value === 'string' && value !== '') return value
  }
  return undefined
}

/** A `name` beside an id is one for people. */
function otherName(fields: Fields, id: string): string | undefined {
  const name = textOf(fields, 'name')
  return name === id ? undefined : name
}

function countOf(fields: Fields, names: readonly string[]): number | undefined {
  for (const name of names) {
    const value = fields.get(name)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  }
  return undefined
}

/** Epoch seconds, or a date as ISO writes it. Several servers say 0, which is no time. */
function secondsOf(value: unknown): number | undefined {
  const seconds = typeof value === 'string' ? Date.parse(value) / 1_000 : value
  return typeof seconds === 'number' && seconds > 0 ? Math.floor(seconds) : undefined
}

/** OpenRouter's: US dollars a token, as decimal text; -1 where the price depends. */
function priceOf(pricing: Fields): ListedModel['price'] {
  const [input, output] = [pricing.get('prompt'), pricing.get('completion')]
  if (typeof input !== 'string' || typeof output !== 'string') return undefined
  // Rounded where the multiplication leaves binary dust, far below the smallest price there is.
  const perMillion = (text: string): number => Math.round(Number(text) * 1e12) / 1e6
  return { input: perMillion(input), output: perMillion(output) }
}
