import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildCommits, sealCommit } from '#test/arbitraries/commits.ts'
import { history } from '#test/arbitraries/history.ts'
import { json } from '#test/arbitraries/json.ts'
import { canonical } from '../canonical.ts'
import { CHAIN_START } from './chain.ts'
import { decodeCommit, encodeCommit, readCommit, readEvent, type WireEvent } from './commit.ts'

const event: WireEvent = {
  i: 0,
  stream: 'provider-openai',
  sver: 3,
  type: 'ProviderRenamed',
  sv: 1,
  body: '{"name":"x"}',
}
const commit = sealCommit({ commit: 7, prev: CHAIN_START, events: [event] })

/** The commit as a JSON object, changed. */
const changed = (change: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...(JSON.parse(encodeCommit(commit)) as object), ...change })
const refusal = (text: string): string => {
  const decoded = decodeCommit(text)
  return decoded.ok ? 'accepted' : decoded.error
}

describe('the wire form of a commit', () => {
  test('brings back what was sent, of every history', () => {
    fc.assert(
      fc.property(history, (batches) => {
        for (const sent of buildCommits(batches))
          expect(decodeCommit(encodeCommit(sent))).toEqual({ ok: true, value: sent })
      }),
    )
  })

  test('is canonical: decoding and encoding again gives the same bytes', () => {
    const text = encodeCommit(commit)
    const decoded = decodeCommit(text)
    expect(decoded.ok && encodeCommit(decoded.value)).toBe(text)
    expect(canonical(JSON.parse(text) as never)).toBe(text)
  })

  test('refuses what is not a commit, in words', () => {
    expect(refusal('')).toBe('not JSON')
    expect(refusal('{"v":1')).toBe('not JSON')
    expect(refusal('null')).toMatch(/^\(root\): /)
    expect(refusal('[]')).toMatch(/^\(root\): /)
  })

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['v', { v: 2 }],
    ['epoch', { epoch: 0 }],
    ['commit', { commit: 0 }],
    ['commit', { commit: 1.5 }],
    ['commit', { commit: '7' }],
    ['prev', { prev: 'short' }],
    ['prev', { prev: CHAIN_START.replace('0', 'A') }],
    ['chain', { chain: `${CHAIN_START}0` }],
    ['leaves', { leaves: [] }],
    ['leaves.0', { leaves: ['xyz'] }],
    ['at', { at: -1 }],
    ['events', { events: {} }],
    ['events.0.sver', { events: [{ ...event, sver: 0 }] }],
    ['events.0.i', { events: [{ ...event, i: -1 }] }],
    ['events.0.stream', { events: [{ ...event, stream: '' }] }],
    ['events.0.body', { events: [{ ...event, body: { name: 'x' } }] }],
    ['events.0', { events: [{ ...event, extra: 1 }] }],
    ['(root)', { extra: 1 }],
  ])('refuses a wrong %s', (path, change) => {
    expect(refusal(changed(change)).split(': ')[0]).toBe(path)
  })

  test('never throws on any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          json.map((value) => JSON.stringify(value)),
          json.map((value) => changed({ events: value })),
        ),
        (text) => {
          expect(decodeCommit(text)).toHaveProperty('ok')
        },
      ),
    )
  })
})

describe('reading events', () => {
  test('gives each its place and typed body', () => {
    expect(readCommit(commit)).toEqual({
      commit: 7,
      epoch: 1,
      at: commit.at,
      chain: commit.chain,
      events: [
        { type: 'ProviderRenamed', stream: 'provider-openai', version: 3, commit: 7, body: { name: 'x' } },
      ],
    })
  })

  test.each<[string, Partial<WireEvent>]>([
    ['a type this build does not know', { type: 'ProviderTeleported' }],
    ['a type this build does not know', { type: 'constructor' }],
    ['a body that is not JSON', { body: '{"name":' }],
    ['written at version 2, this build reads up to 1', { sv: 2 }],
    ['name: Invalid input: expected string, received number', { body: '{"name":1}' }],
    ['(root): Unrecognized key: "color"', { body: '{"color":"red","name":"x"}' }],
    ['(root): Invalid input: expected object, received null', { body: 'null' }],
  ])('turns what it cannot read into an unreadable event: %s', (reason, change) => {
    const read = readEvent({ ...event, ...change }, 7)
    expect(read).toEqual({
      type: 'unreadable',
      stream: 'provider-openai',
      version: 3,
      commit: 7,
      was: change.type ?? 'ProviderRenamed',
      reason,
    })
  })
})
