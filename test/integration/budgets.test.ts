/**
 * Budgets as clients meet them: on a node whose control plane answers, has nothing left, or is away.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BudgetSubject, BudgetTerms } from '#contracts/catalog/money/budget.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { leaseId, LEASE_TTL_MS, type LeaseAnswer, type LeaseAsk } from '#contracts/fleet/leases.ts'
import { budgetId, budgetStream, clientKeyStream, keyId } from '#contracts/ids.ts'
import { decideGrant, type Lease } from '#control-plane/budgets/grant.ts'
import { eventually } from '../eventually.ts'
import { behaviours } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { Gateway, issued, KEY, type GatewayOptions } from './gateway.ts'

/** A control plane with an amount of money a budget; what is in its books, a test says. */
class Till {
  /** Billionths of a US dollar, each budget. */
  amount = 0
  spent = 0
  /** Out on lease to other nodes. */
  elsewhere = 0
  state: 'answers' | 'refuses' | 'hangs' | 'knows nothing' = 'answers'
  /** Says of this budget that there is enough, and gives nothing of it. */
  withheld = ''
  readonly asks: LeaseAsk[] = []
  readonly #leases = new Map<string, Lease>()

  leases = async (ask: LeaseAsk): Promise<LeaseAnswer> => {
    this.asks.push(ask)
    if (this.state === 'refuses') throw new Error('nobody there')
    if (this.state === 'hangs') await new Promise(() => undefined)
    if (this.state === 'knows nothing') return { ttlMs: LEASE_TTL_MS, grants: [] }
    const grants = ask.holdings.map((holding) => {
      const { account, start } = holding
      if (account.split('@')[0] === this.withheld)
        return { account, start, granted: 0, free: 1_000 * CENT, elsewhere: 0 }
      const id = leaseId(account, start, ask.boot)
      const others = {
        id: 'other',
        granted: this.elsewhere,
        booked: 0,
        seq: 1,
        expiresAt: Infinity,
        drainedAt: null,
      }
      const leases = [others, ...[...this.#leases.values()].filter((lease) => lease.id === id)]
      const moment = { now: 0, emptiedAt: 0 }
      const decided = decideGrant({ amount: this.amount, spent: this.spent, leases }, id, holding, 1, moment)
      const { granted } = decided
      this.#leases.set(id, { id, granted, booked: 0, seq: ask.seq, expiresAt: Infinity, drainedAt: null })
      return { account, start, ...decided }
    })
    return { ttlMs: LEASE_TTL_MS, grants }
  }

  /** What all leases of the node have been granted. */
  get granted(): number {
    return [...this.#leases.values()].reduce((sum, { granted }) => sum + granted, 0)
  }
}

const CENT = 10_000_000
const TOKEN = 'sk-paid'

let stack: AsyncDisposableStack
let provider: FakeProvider
let till: Till

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  provider = stack.use(await FakeProvider.start())
  // A cent a token that comes out, nothing for what goes in.
  provider.byDefault(behaviours.says('one', ' two', ' three', ' four'))
  till = new Till()
})
afterEach(() => stack.disposeAsync())

function budget(id: string, subject: BudgetSubject, terms: Partial<BudgetTerms> = {}): CatalogEvent {
  const plain = {
    amount: 1,
    warnAt: 0.8,
    whenSpent: 429,
    onUnreachable: 'refuse',
    unpriced: 'allow',
  } as const
  const body = { origin: 'api', subject, period: 'day', terms: { ...plain, ...terms } } as const
  return { type: 'BudgetCreated', stream: budgetStream(budgetId(id)), body }
}
const tagged: CatalogEvent = {
  type: 'ClientKeyOwnerSet',
  stream: clientKeyStream(keyId('key_paid')),
  body: { owner: null, tags: ['red'] },
}

async function startWith(
  budgets: readonly CatalogEvent[],
  over: Partial<GatewayOptions> = {},
): Promise<Gateway> {
  return stack.use(
    await Gateway.start({
      providers: {
        a: {
          baseUrl: provider.baseUrl,
          definition: { routing: { weight: 1, costInput: 0, costOutput: 10_000 } },
        },
        free: { baseUrl: provider.baseUrl },
      },
      models: { m: ['a/m'], mixed: ['free/m', 'a/m'], unknown: ['free/m'] },
      keys: [issued('key_paid', TOKEN), tagged, ...budgets],
      leases: till.leases,
      ...over,
    }),
  )
}

const CHAT = {
  path: '/v1/chat/completions',
  body: { model: 'm', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] },
}
const CALLS = {
  chat: CHAT,
  stream: { ...CHAT, body: { ...CHAT.body, stream: true, stream_options: { include_usage: true } } },
  responses: { path: '/v1/responses', body: { model: 'm', input: 'Hi', max_output_tokens: 10 } },
  messages: { path: '/v1/messages', body: CHAT.body },
  gemini: {
    path: '/v1beta/models/m:generateContent',
    body: {
      contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
      generationConfig: { maxOutputTokens: 10 },
    },
  },
} as const

const ask = (
  gateway: Gateway,
  { path, body }: Readonly<{ path: string; body: object }> = CALLS.chat,
  token = TOKEN,
) =>
  fetch(`http://127.0.0.1:${gateway.port}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  })
async function statusOf(...args: Parameters<typeof ask>): Promise<number> {
  const answer = await ask(...args)
  await answer.arrayBuffer()
  return answer.status
}

describe('a key with a budget', () => {
  test('is served, and its records say what paid for them', async () => {
    till.amount = 100 * CENT
    const gateway = await startWith([budget('own', { key: 'key_paid' }), budget('team', { tag: 'red' })])
    expect(await statusOf(gateway)).toBe(200)
    expect(await statusOf(gateway, CALLS.stream)).toBe(200)
    await eventually(() => gateway.records.length === 2, 2_000, 'both records')
    for (const { leases } of gateway.records)
      expect(leases?.map((lease) => lease.replace(/\/\d+\//, '/day/'))).toEqual([
        'own@7/day/boot-1',
        'team@7/day/boot-1',
      ])
    await gateway.budgets[Symbol.asyncDispose]()
    // What is not spent is given back; four tokens at a cent each, twice, from two budgets.
    expect(till.granted).toBe(2 * 2 * 4 * CENT)
  })

  test('keeps its other limits', async () => {
    till.amount = 100 * CENT
    const limits: CatalogEvent = {
      type: 'ClientKeyLimitsSet',
      stream: clientKeyStream(keyId('key_paid')),
      body: { limits: { requestsPerMinute: 1 } },
    }
    const gateway = await startWith([budget('own', { key: 'key_paid' }), limits])
    expect([await statusOf(gateway), await statusOf(gateway)]).toEqual([200, 429])
    expect(provider.requests).toHaveLength(1)
  })

  test('asks nobody while its lease lasts, and a key without one never', async () => {
    till.amount = 100_000 * CENT
    const gateway = await startWith([budget('own', { key: 'key_paid' })])
    expect(await statusOf(gateway)).toBe(200)
    // The first lease covers what waited for it; the next one, asked for beside the traffic, more.
    await eventually(() => gateway.budgets.held >= 10 * CENT, 5_000, 'a lease ahead of need')
    till.state = 'hangs'
    expect(await statusOf(gateway)).toBe(200)
    const asked = till.asks.length
    for (let count = 0; count < 20; count++) expect(await statusOf(gateway, CALLS.chat, KEY)).toBe(200)
    expect(till.asks.length).toBe(asked)
    expect(gateway.budgets.waited).toBe(1)
  })

  test('never spends more than there is, however many requests come at once', async () => {
    till.amount = 100 * CENT
    const gateway = await startWith([budget('own', { key: 'key_paid' })])
    const statuses: number[] = []
    // Each reserves ten cents and costs four.
    for (let wave = 0; wave < 10; wave++)
      statuses.push(...(await Promise.all(Array.from({ length: 15 }, () => statusOf(gateway)))))
    const served = statuses.filter((status) => status === 200).length
    expect(statuses.every((status) => status === 200 || status === 429)).toBe(true)
    expect(served).toBeLessThanOrEqual(25)
    // Only what no request fits in any more is left.
    expect(served).toBeGreaterThanOrEqual(23)
    expect(provider.stats.answered).toBe(served)
  })

  test('is refused what could cost more than is left, and gives back what it was given for it', async () => {
    till.amount = 9 * CENT
    const gateway = await startWith([budget('own', { key: 'key_paid' })])
    expect(await statusOf(gateway)).toBe(429)
    expect(provider.stats.requests).toBe(0)
    await eventually(() => gateway.budgets.held === 0 && till.granted === 0, 5_000, 'its return')
  })
})

describe('a spent budget', () => {
  const spent = 'The budget of this API key is spent for today.'
  test.each([
    ['chat', { error: { code: 'insufficient_quota', type: 'insufficient_quota', message: spent } }],
    ['stream', { error: { code: 'insufficient_quota', type: 'insufficient_quota', message: spent } }],
    ['responses', { error: { code: 'insufficient_quota', type: 'insufficient_quota', message: spent } }],
    ['messages', { type: 'error', error: { type: 'rate_limit_error', message: spent } }],
    ['gemini', { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: spent } }],
  ] as const)('is told in the words of %s, with the time until the next period', async (call, body) => {
    const gateway = await startWith([budget('own', { key: 'key_paid' })])
    const answer = await ask(gateway, CALLS[call])
    expect(answer.status).toBe(429)
    const untilMidnight = Math.ceil((86_400_000 - (Date.now() % 86_400_000)) / 1_000)
    expect(Math.abs(Number(answer.headers.get('retry-after')) - untilMidnight)).toBeLessThan(10)
    expect(answer.headers.get('x-should-retry')).toBe('false')
    expect(await answer.json()).toMatchObject(body)
    expect(gateway.budgets.refused).toMatchObject({ spent: 1 })
    expect(provider.stats.requests).toBe(0)
  })

  test.each([
    ['chat', { error: { code: 'insufficient_quota' } }],
    ['messages', { error: { type: 'billing_error' } }],
    ['gemini', { error: { code: 402, status: 'RESOURCE_EXHAUSTED' } }],
  ] as const)('is 402 where its terms say so, to %s', async (call, body) => {
    const gateway = await startWith([budget('team', { tag: 'red' }, { whenSpent: 402 })])
    const answer = await ask(gateway, CALLS[call])
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([402, null])
    expect(await answer.json()).toMatchObject(body)
  })

  test('is a matter of seconds where others hold what is left', async () => {
    Object.assign(till, { amount: 10 * CENT, elsewhere: 10 * CENT })
    const gateway = await startWith([budget('own', { key: 'key_paid' }, { whenSpent: 402 })])
    const answer = await ask(gateway)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '2'])
    expect(await answer.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } })
  })

  test('serves again when there is more', async () => {
    const gateway = await startWith([budget('own', { key: 'key_paid' })])
    expect(await statusOf(gateway)).toBe(429)
    till.amount = 100 * CENT
    await eventually(async () => (await statusOf(gateway)) === 200, 5_000, 'an answer')
  })

  test('still counts tokens', async () => {
    const gateway = await startWith([budget('own', { key: 'key_paid' })])
    const counted = { path: '/v1/messages/count_tokens', body: { model: 'm', messages: CHAT.body.messages } }
    expect(await statusOf(gateway, counted)).toBe(200)
  })
})

describe('a budget nobody can ask about', () => {
  test.each(['refuses', 'hangs', 'knows nothing'] as const)(
    'refuses its keys alone, when the control plane %s',
    async (state) => {
      till.state = state
      const gateway = await startWith([budget('own', { key: 'key_paid' })])
      const answer = await ask(gateway)
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
      expect(await answer.json()).toMatchObject({ error: { code: 'budget_unavailable' } })
      expect(await statusOf(gateway, CALLS.chat, KEY)).toBe(200)
      expect(gateway.budgets.refused.unreachable).toBe(1)
    },
  )

  test('is nobody else’s trouble while the control plane answers', async () => {
    till.amount = 100 * CENT
    till.withheld = 'own'
    const other = issued('key_other', 'sk-other')
    const gateway = await startWith([
      budget('own', { key: 'key_paid' }),
      other,
      budget('theirs', { key: 'key_other' }),
    ])
    expect(await statusOf(gateway)).toBe(503)
    expect(await statusOf(gateway, CALLS.chat, 'sk-other')).toBe(200)
  })

  test('lets them through where its terms say so, on nobody’s lease', async () => {
    till.state = 'refuses'
    const gateway = await startWith([budget('own', { key: 'key_paid' }, { onUnreachable: 'allow' })])
    expect(await statusOf(gateway)).toBe(200)
    await eventually(() => gateway.records.length === 1, 2_000, 'the record')
    expect(gateway.records[0]).not.toHaveProperty('leases')
  })

  test('is spent to the end of its lease first', async () => {
    till.amount = 40 * CENT
    const gateway = await startWith([budget('own', { key: 'key_paid' })])
    expect(await statusOf(gateway)).toBe(200)
    await eventually(() => gateway.budgets.held >= 10 * CENT, 2_000, 'money at hand')
    till.state = 'refuses'
    expect(await statusOf(gateway)).toBe(200)
    const statuses = new Set<number>()
    for (let count = 0; count < 10; count++) statuses.add(await statusOf(gateway))
    expect(statuses).toContain(503)
  })
})

describe('models without a known price', () => {
  test('cost a budget nothing', async () => {
    till.amount = 1
    const gateway = await startWith([budget('own', { key: 'key_paid' })])
    for (let count = 0; count < 5; count++)
      expect(await statusOf(gateway, { ...CHAT, body: { ...CHAT.body, model: 'unknown' } })).toBe(200)
    expect(gateway.budgets.overrun).toBe(0)
  })

  test('are left out, or refused, where its terms say so', async () => {
    till.amount = 100 * CENT
    const gateway = await startWith([budget('own', { key: 'key_paid' }, { unpriced: 'refuse' })])
    const answer = await ask(gateway, { ...CHAT, body: { ...CHAT.body, model: 'unknown' } })
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ error: { code: 'permission_denied', param: 'model' } })
    const mixed = await ask(gateway, { ...CHAT, body: { ...CHAT.body, model: 'mixed' } })
    expect([mixed.status, mixed.headers.get('x-apiproxy-provider')]).toEqual([200, 'a'])
  })
})
