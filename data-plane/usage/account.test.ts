import { expect, test } from 'vitest'
import { keyId, nodeId } from '#contracts/ids.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { decodeRecord, type UsageRecord } from '#contracts/usage/record.ts'
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import { deployment } from '#test/fakes/deployment.ts'
import type { Principal, RoutingSnapshot } from '../routing/snapshot.ts'
import type { Prepared } from '../upstream/attempt.ts'
import { Account, type RequestEntry } from './account.ts'
import { entryOf } from './text.ts'

const lineOf = entryOf(nodeId('node_1'))
const AWKWARD = `"\\\n\u2028\ud800é${'x'.repeat(500)}`

function readOf(entry: RequestEntry | null): UsageRecord {
  const read = decodeRecord(entry === null ? '' : lineOf(entry.members))
  if (!read.ok) throw new Error(read.error)
  return read.value
}

/** Two attempts, of which the second answers. @returns its intents and its record, as the books read them. */
function served(prepare: (account: Account) => void): readonly UsageRecord[] {
  const account = new Account('req_1', 1_700_000_000_000, 100)
  account.calledBy({ keyId: keyId('key_1') } as Principal, 7, 'chat')
  account.askedFor(AWKWARD, true)
  account.routed('fast', null, 42)
  prepare(account)
  const entries: (RequestEntry | null)[] = []
  const [first, second] = [deployment('one'), deployment('two', { model: AWKWARD })]
  const prepared = { dialect: 'openai-chat', body: Buffer.from('a body') } as Prepared
  const intents = [first, second].map((one) => {
    const about = { deployment: one, lane: one.lanes[0]!, why: 'weight' } as const
    const intent = account.intend({ ...about, prepared })
    entries.push(intent)
    const outcome = one === first ? ('fault' as const) : ('success' as const)
    const spent = one === first ? null : { tokens: { ...NO_TOKENS, output: 5 }, isEstimated: false }
    const times = { firstMs: null, slowness: null, totalMs: 1.23456, habit: null }
    const told = { dialect: 'openai-chat', status: 0, warnings: [AWKWARD], spent, outcome, ...times } as const
    account.attempted({ ...about, ...told }, null)
    return readOf(intent)
  })
  const record = account.close(200, 112.5)
  // By it the spool finds the intent that the record takes the place of.
  expect(new Set([...entries, record].map((entry) => entry?.intent)).size).toBe(1)
  expect(record?.intent).toBeDefined()
  return [...intents, readOf(record)]
}

test('intents and record of a request say the same of what was so from its first attempt on', () => {
  const asked = AWKWARD.slice(0, 200).toWellFormed()
  const same = {
    v: 1,
    id: 'req_1',
    node: 'node_1',
    at: 1_700_000_000_000,
    key: 'key_1',
    asked,
    model: 'fast',
  }
  const all = served(() => undefined)
  for (const one of all) {
    expect(one).toMatchObject({ ...same, session: null, stream: true, commit: 7, weights: 0, seed: 42 })
    for (const absent of ['leases', 'binding', 'held', 'uncut']) expect(one).not.toHaveProperty(absent)
  }
  expect(all.map(({ status, totalMs, isEstimated }) => [status, totalMs, isEstimated])).toEqual([
    [500, 0, true],
    [500, 0, true],
    [200, 12.5, false],
  ])
  expect(all.map(({ attempts }) => attempts.map(({ outcome }) => outcome))).toEqual([
    ['lost'],
    ['fault', 'lost'],
    ['fault', 'success'],
  ])
  expect(
    all.map(({ upstream, tokens, warnings }) => [upstream, tokens.input, tokens.output, warnings]),
  ).toEqual([
    ['m', 2, 0, []],
    [asked, 2, 0, []],
    [asked, 0, 5, [asked]],
  ])
})

test('what not every request has is there where there is some', () => {
  const preference = { bound: 'one/m', home: null, isRequired: false }
  const all = served((account) => {
    account.paidBy(['lease_1'])
    account.choosing(
      STRATEGIES.balanced,
      preference as Parameters<Account['choosing']>[1],
      {
        nacks: [{ stream: 'provider-one' }, { stream: 'provider-one' }],
      } as unknown as RoutingSnapshot,
    )
  })
  expect(all.map(({ leases }) => leases)).toEqual([['lease_1'], ['lease_1'], ['lease_1']])
  expect(all.at(-1)).toMatchObject({ binding: preference, held: ['provider-one'] })
  for (const intent of all.slice(0, 2)) expect(intent).not.toHaveProperty('binding')
})

test('a caller that nobody knows leaves neither intent nor record', () => {
  const account = new Account('req_1', 0, 0)
  expect(account.close(401, 1)).toBeNull()
})
