import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCarrier, writeCarrier, type Carrier } from '../dialects/canonical/carrier.ts'
import { DIALECTS } from '../dialects/canonical/request.ts'
import { createSealer } from './sealer.ts'

const sealer = createSealer(Buffer.alloc(32, 1))

const carriers: fc.Arbitrary<Carrier> = fc.record(
  {
    dialect: fc.constantFrom(...DIALECTS),
    provider: fc.option(fc.string()),
    data: fc.string({ unit: 'binary' }),
    form: fc.string(),
    of: fc.constantFrom('own' as const, 'next' as const, 'previous' as const),
    id: fc.string(),
    text: fc.string({ unit: 'binary' }),
  },
  { requiredKeys: ['dialect', 'provider', 'data', 'form', 'of'] },
)

describe('a sealed carrier', () => {
  test('comes back as it was, from a text that fits into any format', () => {
    fc.assert(
      fc.property(carriers, (carrier) => {
        const text = sealer.seal(carrier)
        expect(text).toMatch(/^apx1\.[0-9a-f]{8}\.[\w-]+$/)
        expect(sealer.open(text)).toEqual(carrier)
      }),
    )
  })

  test('tells nobody what is in it', () => {
    const carrier: Carrier = {
      dialect: 'gemini',
      provider: 'p',
      data: 'secret-state',
      form: 'thought',
      of: 'own',
    }
    const text = sealer.seal(carrier)
    expect(Buffer.from(text.split('.')[2] ?? '', 'base64url').toString('latin1')).not.toContain(
      'secret-state',
    )
  })

  test.each([
    ['another key', createSealer(Buffer.alloc(32, 2)).seal],
    ['a changed byte', (carrier: Carrier) => `${sealer.seal(carrier).slice(0, -2)}AA`],
    ['nothing in it', () => 'apx1.00000000.'],
    ['no seal at all', () => 'EqQBCkgIBRABGAIiQL'],
  ])('of %s is not opened', (_what, make) => {
    expect(
      sealer.open(make({ dialect: 'gemini', provider: 'p', data: 'x', form: 'f', of: 'own' })),
    ).toBeNull()
  })
})

describe('a place of opaque state', () => {
  const own: Carrier = { dialect: 'gemini', provider: 'p', data: 'sig', form: 'thought', of: 'own' }

  test('holds its own dialect’s state as it is, and any other sealed', () => {
    expect(writeCarrier(own, 'gemini', sealer)).toBe('sig')
    const sealed = writeCarrier(own, 'openai-responses', sealer)
    expect(sealed).toMatch(/^apx1\./)
    expect(
      readCarrier(sealed, sealer, { dialect: 'openai-responses', form: 'encrypted', of: 'own' }),
    ).toEqual(own)
  })

  test('that was never sealed is state of its own dialect, of a provider nobody knows', () => {
    const native = { dialect: 'gemini', form: 'thought', of: 'own' } as const
    expect(readCarrier('sig', sealer, native)).toEqual({ ...native, data: 'sig', provider: null })
  })
})
