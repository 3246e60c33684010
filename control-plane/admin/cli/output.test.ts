import { describe, expect, test } from 'vitest'
import { render } from './output.ts'

describe('an answer for people', () => {
  test('is one line for each fact, nested ones by their paths', () => {
    const answer = {
      commitNo: 12,
      events: ['ProviderEnabled'],
      ids: { provider: 'openai' },
      replayed: false,
      reason: null,
    }
    expect(render('providers.enable', answer)).toBe(
      'commitNo: 12\nevents: ProviderEnabled\nids.provider: openai\nreplayed: false\nreason: -\n',
    )
  })

  test('shows a list as a table of what matters in it', () => {
    const provider = (id: string, baseUrl: string) => ({
      id,
      version: 3,
      origin: 'api',
      state: 'enabled',
      definition: { kind: 'openai', baseUrl, routing: { weight: 2 }, timeouts: { connectMs: 1 } },
      credentials: [{ id: 'cred_1', label: 'main', fingerprint: 'f', weight: 1 }],
    })
    const answer = {
      commitNo: 7,
      providers: [provider('a', 'https://a'), provider('longer', 'https://b')],
      next: null,
    }
    expect(render('providers.list', answer)).toBe(
      [
        'providers:',
        'id      state    kind    baseUrl    weight  credentials  version  origin',
        'a       enabled  openai  https://a  2       main         3        api',
        'longer  enabled  openai  https://b  2       main         3        api',
        '',
        'commitNo: 7',
        'next: -',
        '',
      ].join('\n'),
    )
  })

  test('shows all columns of a list it does not know', () => {
    expect(
      render('other', {
        rows: [
          { a: 1, b: { c: 2 } },
          { a: 3, d: [] },
        ],
      }),
    ).toBe('rows:\na  c  d\n1  2  -\n3  -  -\n')
  })

  test('names targets and actors in a word', () => {
    const models = [
      { name: 'fast', aliases: ['f', 'g'], targets: [{ provider: 'a', model: 'm', weight: 2, tier: 1 }] },
    ]
    expect(render('models.list', { models })).toContain('fast  f, g     a/m ×2 tier 1')
    const commits = [
      { commitNo: 1, actor: { kind: 'token', id: 'admin' }, events: [{ type: 'X', stream: 'system' }] },
    ]
    expect(render('audit.list', { commits })).toContain('token:admin')
  })

  test('writes times as people read them', () => {
    expect(render('keys.get', { key: { expiresAt: 1_700_000_000_000 } })).toBe(
      'key.expiresAt: 2023-11-14T22:13:20.000Z\n',
    )
    expect(render('keys.get', { key: { expiresAt: 9e15 } })).toBe('key.expiresAt: 9000000000000000\n')
  })

  test('does not let a name steer the terminal', () => {
    const text = render('x', {
      name: 'a\u001b[2Jb\nc',
      rows: [{ name: 'd\u0007' }],
      inner: [{ a: 'e\u001b', b: { c: 1 } }],
    })
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
    expect(text).toContain('a�[2Jb�c')
  })
})
