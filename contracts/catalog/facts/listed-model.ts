/**
 * A model as its provider lists it: the id, and what the list tells about it.
 *
 * Pure. An observation, not configuration: it reaches nodes beside the log and can be learned again.
 */
import { z } from 'zod'
import { isModelName } from '../../ids.ts'

const tokens = z.int().positive().max(1_000_000_000)
const dollars = z.number().nonnegative().max(1_000_000)

export const ListedModel = z.object({
  /** As the provider takes it in a request. */
  id: z.string().refine(isModelName),
  displayName: z.string().min(1).max(200).optional(),
  /** Epoch seconds. */
  created: z.int().positive().max(100_000_000_000).optional(),
  ownedBy: z.string().min(1).max(200).optional(),
  /** Tokens of prompt and answer together, or of the prompt where the provider counts so. */
  contextWindow: tokens.optional(),
  /** Largest answer, in tokens. */
  maxOutput: tokens.optional(),
  /** US dollars per million tokens, where the list itself tells. */
  price: z.object({ input: dollars, output: dollars }).optional(),
})
export type ListedModel = Readonly<z.infer<typeof ListedModel>>

/** Of one provider: as many as one list may have. */
export const MOST_LISTED_MODELS = 5_000

/** One provider's list, and when it was fetched: epoch milliseconds. A later one replaces it. */
export const ListedModels = z.object({
  at: z.int().positive(),
  models: z.array(ListedModel).max(MOST_LISTED_MODELS),
})
export type ListedModels = Readonly<{ at: number; models: readonly ListedModel[] }>
