import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildCommits, metaOf } from '#test/arbitraries/commits.ts'
import { history } from '#test/arbitraries/history.ts'
import { ProviderDefinition } from '../catalog/provider.ts'
import { modelName, modelStream, providerId, providerStream, SYSTEM_STREAM } from '../ids.ts'
import { CHAIN_START, chainLink, eventLeaf, commitRoot, metaLeaf, verifyCommit } from './chain.ts'
import { encodeCommit, type WireCommit } from './commit.ts'

/** Two commits that never change: whoever can verify them can read the logs of today. */
const commits = buildCommits([
  [{ type: 'GenesisCreated', stream: SYSTEM_STREAM, body: { logId: 'log_1', keyCheck: 'check_1' } }],
  [
    {
      type: 'ProviderRegistered',
      stream: providerStream(providerId('openai')),
      body: {
        origin: 'api',
        definition: ProviderDefinition.parse({
          name: 'Ünïcode 🎉',
          kind: 'openai',
          baseUrl: 'https://api.openai.com/v1',
        }),
      },
    },
    { type: 'LogicalModelAliasAdded', stream: modelStream(modelName('fast')), body: { alias: 'quick' } },
  ],
])
const [first, second] = commits as readonly [WireCommit, WireCommit]

const verdict = (commit: WireCommit, prev: string): string => {
  const verified = verifyCommit(commit, prev)
  return verified.ok ? 'ok' : verified.error
}

describe('the chain', () => {
  test('has not drifted: hashes of today are hashes of always', () => {
    expect([first.chain, second.chain]).toEqual([
      '0511de92f737ed587c0822716a525aa73df5baa5c05bb08998ed8f6f083e681e',
      '03a0b3daf5256b836c51cbb4a6bdf2e1475a12678c71e3e6b6e0465c8ee2268a',
    ])
    expect(encodeCommit(first)).toBe(
      '{"at":1700000001000,"chain":"0511de92f737ed587c0822716a525aa73df5baa5c05bb08998ed8f6f083e681e",' +
        '"commit":1,"epoch":1,"events":[{"body":"{\\"keyCheck\\":\\"check_1\\",\\"logId\\":\\"log_1\\"}",' +
        '"i":0,"stream":"system","sv":1,"sver":1,"type":"GenesisCreated"}],"guard":"immediate",' +
        '"leaves":["9511b8f20a1d4835440f40e39068ef97bb4b93e2f6340368667abc669387d58f",' +
        '"d46e40e3ddbd4d4a52a0dc9c9128941ae39bde52761f8cee9b99368bfd56e913"],' +
        `"prev":"${CHAIN_START}","tenant":"default","v":1}`,
    )
  })

  test('hashes the number of the commit as eight bytes', () => {
    const root = commitRoot(first, ['00'.repeat(32)])
    const links = [1, 2, 256, 2 ** 32, 2 ** 53 - 1].map((commit) => chainLink(CHAIN_START, commit, root))
    expect(new Set(links).size).toBe(5)
    expect(links[0]).toMatch(/^[0-9a-f]{64}$/)
  })

  test('does not count the index of an event into its leaf: the place in the list says it', () => {
    const [event] = first.events
    if (event === undefined) throw new Error('no event')
    expect(eventLeaf(event)).toBe(eventLeaf({ ...event }))
    expect(first.leaves[1]).toBe(eventLeaf(event))
  })
})

describe('verifying a commit', () => {
  test('accepts every history that was built', () => {
    fc.assert(
      fc.property(history, (batches) => {
        let prev = CHAIN_START
        for (const commit of buildCommits(batches)) {
          expect(verdict(commit, prev)).toBe('ok')
          prev = commit.chain
        }
      }),
    )
  })

  test('accepts a commit whose admin-only events came without bodies', () => {
    const [, onlyAlias] = second.events
    expect(verdict({ ...second, events: onlyAlias === undefined ? [] : [onlyAlias] }, first.chain)).toBe('ok')
    expect(verdict({ ...second, events: [] }, first.chain)).toBe('ok')
  })

  const tamperedEvents: readonly (readonly [string, Partial<WireCommit['events'][number]>])[] = [
    ['stream', { stream: 'provider-other' }],
    ['version in the stream', { sver: 2 }],
    ['type', { type: 'ProviderRemoved' }],
    ['schema version', { sv: 2 }],
    ['body', { body: second.events[0]?.body.replace('openai.com', 'openai.co') ?? '' }],
    ['body, by a space only', { body: `${second.events[0]?.body} ` }],
    ['place', { i: 1 }],
    ['place, beyond the list', { i: 7 }],
  ]
  test.each(tamperedEvents)('detects a changed %s of an event', (_what, change) => {
    const [event, ...rest] = second.events
    if (event === undefined) throw new Error('no event')
    expect(verdict({ ...second, events: [{ ...event, ...change }, ...rest] }, first.chain)).toBe(
      'leaf_mismatch',
    )
  })

  const tamperedCommits: readonly (readonly [string, Partial<WireCommit>])[] = [
    ['number', { commit: 3 }],
    ['previous link', { prev: CHAIN_START }],
    ['own link', { chain: first.chain }],
    [
      'first leaf, which binds who did it',
      { leaves: [metaLeaf({ ...metaOf(2), reason: 'forged' }), ...second.leaves.slice(1)] },
    ],
    ['number of leaves', { leaves: [...second.leaves, second.leaves[0] ?? ''] }],
  ]
  test.each(tamperedCommits)('detects a changed %s', (_what, change) => {
    expect(verdict({ ...second, ...change }, first.chain)).toBe('chain_mismatch')
  })

  test('detects leaves in another order', () => {
    const [meta = '', one = '', two = ''] = second.leaves
    expect(verdict({ ...second, leaves: [meta, two, one] }, first.chain)).toBe('leaf_mismatch')
    expect(verdict({ ...second, leaves: [one, meta, two], events: [] }, first.chain)).toBe('chain_mismatch')
  })

  test('detects a commit that is sound but not the next one', () => {
    expect(verdict(second, CHAIN_START)).toBe('not_next_link')
    expect(verdict(first, first.chain)).toBe('not_next_link')
  })

  test('detects any single change anywhere in the hashed part', () => {
    const flip = (text: string, at: number): string => {
      const place = at % text.length
      return text.slice(0, place) + (text[place] === '0' ? '1' : '0') + text.slice(place + 1)
    }
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom('prev', 'chain', 'leaf', 'body'), (at, what) => {
        const [event, ...rest] = second.events
        if (event === undefined) throw new Error('no event')
        const changed: WireCommit =
          what === 'leaf'
            ? {
                ...second,
                leaves: second.leaves.map((leaf, index) =>
                  index === at % second.leaves.length ? flip(leaf, at) : leaf,
                ),
              }
            : what === 'body'
              ? { ...second, events: [{ ...event, body: flip(event.body, at) }, ...rest] }
              : { ...second, [what]: flip(second[what], at) }
        expect(verdict(changed, first.chain)).not.toBe('ok')
      }),
    )
  })

  test.each([
    ['epoch', { epoch: 2 }],
    ['time', { at: 1 }],
    ['tenant', { tenant: 'x' }],
    ['guard', { guard: 'x' }],
  ] as const)('sees a changed %s', (_what, change) => {
    expect(verdict({ ...second, ...change }, first.chain)).toBe('chain_mismatch')
  })
})
