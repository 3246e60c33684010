/**
 * A record of a request, and how it comes to the books: what a test does not say is as it mostly is.
 */
import type { ModelPrice } from '#contracts/catalog/facts/known-models.ts'
import type { UsageRecord } from '#contracts/usage/record.ts'
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import type { Entry } from '#control-plane/store/usage-books.ts'

/** 2026-03-01, midnight UTC. */
export const MARCH = Date.UTC(2026, 2, 1)
const PRICE: ModelPrice = { input: 2, output: 8, cacheRead: 0.5 }

export function usageRecord(id: string, over: Partial<UsageRecord> = {}): UsageRecord {
  return {
    v: 1,
    id,
    node: 'node_1',
    at: MARCH,
    key: 'key_a',
    endpoint: 'chat',
    asked: 'fast',
    model: 'fast',
    session: null,
    stream: false,
    status: 200,
    totalMs: 12.5,
    attempts: [
      {
        provider: 'openai',
        model: 'gpt-x',
        credential: 'cred_1',
        dialect: 'openai-chat',
        why: 'weight',
        outcome: 'success',
        status: 0,
        firstMs: 10,
        totalMs: 12,
      },
    ],
    provider: 'openai',
    upstream: 'gpt-x',
    tokens: { ...NO_TOKENS, input: 1_000, output: 100, cacheRead: 400 },
    isEstimated: false,
    commit: 7,
    weights: 3,
    seed: 42,
    candidates: [],
    warnings: [],
    ...over,
  }
}

export const entry = (record: UsageRecord, over: Partial<Entry> = {}): Entry => ({
  record,
  tags: [],
  price: PRICE,
  ...over,
})
