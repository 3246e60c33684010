import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Limits } from '#contracts/catalog/limits.ts'
import { keyId } from '#contracts/ids.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import type { Principal, Route } from '../routing/snapshot.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { MemoryLimitCounters } from './counters-memory.ts'
import { RENEW_MS, type LimitCounters } from './counters.ts'
import { Limiter, type Asked, type Permit } from './limiter.ts'

let clock: ManualClock
let limiter: Limiter

/** Counters that cannot be asked, as when Redis is gone. */
const NOBODY: LimitCounters = {
  failures: 0,
  enter: async () => null,
  leave: () => undefined,
  renew: () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
}

function use(counters: LimitCounters, nodes = 1): void {
  limiter = new Limiter({ counters, clock, nodes: () => nodes })
}

beforeEach(() => {
  clock = new ManualClock(5_000_000)
  use(new MemoryLimitCounters(clock))
})
afterEach(() => limiter[Symbol.dispose]())

let count = 0
function asked(key: Limits | null, model: Limits | null = null, bytes = 400): Asked {
  count += 1
  const principal: Principal = {
    keyId: keyId('key_1'),
    state: 'active',
    expiresAt: Infinity,
    scope: null,
    limits: key,
    budgets: null,
    keepContext: true,
    contentLog: null,
  }
  const strategy = STRATEGIES.balanced
  const route: Route = { model: 'm', logical: true, strategy, region: null, limits: model, candidates: [] }
  return { id: `req_${count}`, principal, route, bytes }
}

async function permit(one: Asked): Promise<Permit> {
  const admission = await limiter.admit(one)
  if (admission === null || !admission.ok) throw new Error('was not let in')
  return admission.value
}
const usedTokens = async (limits: Limits): Promise<number | undefined> =>
  (await permit(asked(limits, null, 0))).levels.find(({ kind }) => kind === 'tokens')?.used

describe('the limiter', () => {
  test('has nothing to wait for when nothing is limited', () => {
    expect(limiter.admit(asked(null))).toBeNull()
  })

  test('renews those that are under way, and nobody else', async () => {
    vi.useFakeTimers()
    try {
      const renewed: string[][] = []
      limiter[Symbol.dispose]()
      const renew: LimitCounters['renew'] = (entries) => void renewed.push(entries.map(({ id }) => id))
      use({ ...NOBODY, renew })
      const limits = { concurrency: 5 }
      const [one, two] = [asked(limits), asked(limits)]
      const [first, second] = [await permit(one), await permit(two)]
      vi.advanceTimersByTime(RENEW_MS)
      first.end(0, false)
      vi.advanceTimersByTime(RENEW_MS)
      second.end(0, false)
      second.end(0, false)
      vi.advanceTimersByTime(RENEW_MS)
      expect(renewed).toEqual([[one.id, two.id], [two.id], []])
    } finally {
      vi.useRealTimers()
    }
  })

  const TOKENS = { tokensPerMinute: 100_000 }

  test('counts what the provider counted, when it is told', async () => {
    const one = await permit(asked(TOKENS))
    one.onUsage(10, 5)
    one.onUsage(1_000, 234)
    one.end(999_999, false)
    expect(await usedTokens(TOKENS)).toBe(1_234)
  })

  test('estimates from bytes when it is not told', async () => {
    ;(await permit(asked(TOKENS))).end(4_000, false)
    expect(await usedTokens(TOKENS)).toBe(1_100)
    ;(await permit(asked(TOKENS))).end(18_000, true)
    expect(await usedTokens(TOKENS)).toBe(1_300)
  })

  test('counts an end once, however often it is said', async () => {
    const one = await permit(asked(TOKENS))
    one.onUsage(7, 0)
    for (let time = 0; time < 3; time++) one.end(0, false)
    expect(await usedTokens(TOKENS)).toBe(7)
  })

  test('says whose limit it was, and counts refusals by kind', async () => {
    const model = { requestsPerMinute: 1 }
    await permit(asked({ concurrency: 5 }, model))
    const refused = await limiter.admit(asked({ concurrency: 5 }, model))
    if (refused === null || refused.ok) throw new Error('was let in')
    expect(refused.error.problem).toMatchObject({
      code: 'rate_limit_exceeded',
      message: 'The limit of this model is reached: 1 requests per minute.',
      retryAfterMs: 61_000,
    })
    expect(limiter.refused).toEqual({ requests: 1, tokens: 0, concurrency: 0 })
  })

  test('keeps to its share when nobody can be asked', async () => {
    limiter[Symbol.dispose]()
    use(NOBODY, 4)
    const limits = { requestsPerMinute: 10 }
    await permit(asked(limits))
    await permit(asked(limits))
    expect(await limiter.admit(asked(limits))).toMatchObject({ ok: false })
    expect(limiter.shares).toBe(3)
    clock.advance(61_000)
    await permit(asked(limits))
  })
})
