import { describe, expect, test } from 'vitest'
import { upcast, type Upcaster } from './upcast.ts'

const UPCASTERS: ReadonlyMap<string, readonly Upcaster[]> = new Map([
  [
    'WeightSet',
    [
      (body) => ({ weight: (body as { percent: number }).percent / 100 }),
      (body) => ({ ...(body as object), unit: 'share' }),
    ],
  ],
])

const lift = (type: string, version: number, body: unknown, target: number) =>
  upcast({ type, version, body }, target, UPCASTERS)

describe('upcast', () => {
  test('leaves a body of today as it is', () => {
    const body = { weight: 1 }
    const lifted = lift('WeightSet', 3, body, 3)
    expect(lifted).toEqual({ ok: true, value: body })
  })

  test('takes every step in order', () => {
    expect(lift('WeightSet', 1, { percent: 50 }, 3)).toEqual({
      ok: true,
      value: { weight: 0.5, unit: 'share' },
    })
    expect(lift('WeightSet', 2, { weight: 0.5 }, 3)).toEqual({
      ok: true,
      value: { weight: 0.5, unit: 'share' },
    })
  })

  test('refuses what was written by a later release', () => {
    expect(lift('WeightSet', 4, {}, 3)).toEqual({
      ok: false,
      error: 'written at version 4, this build reads up to 3',
    })
  })

  test('refuses where a step is missing', () => {
    expect(lift('Unknown', 1, {}, 2)).toEqual({ ok: false, error: 'no upcaster from version 1' })
    expect(lift('WeightSet', 1, { percent: 1 }, 4)).toEqual({
      ok: false,
      error: 'no upcaster from version 3',
    })
  })

  test('refuses a body its step cannot read, instead of throwing', () => {
    expect(lift('WeightSet', 1, null, 3)).toEqual({ ok: false, error: 'the upcaster from version 1 failed' })
  })
})
