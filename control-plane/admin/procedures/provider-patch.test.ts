import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ProviderDefinition } from '#contracts/catalog/provider.ts'
import { ProviderPatch } from '../../commands/declared/patch.ts'
import { patched } from './provider-patch.ts'

const PRESENT = ProviderDefinition.parse({
  name: 'A',
  kind: 'openai',
  baseUrl: 'https://a.example/v1',
  routing: { weight: 2, region: 'eu', maxQps: 5, retryableStatusCodes: [500] },
  probe: { enabled: false, model: 'small' },
  models: { static: ['m'] },
})

/** Names of all members, nested ones by their paths. */
function pathsOf(schema: z.ZodType, prefix = ''): string[] {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  const visit = (node: unknown, path: string): string[] => {
    const properties = z.looseObject({ properties: z.record(z.string(), z.unknown()) }).safeParse(node)
    if (!properties.success) return [path]
    return Object.entries(properties.data.properties).flatMap(([name, member]) =>
      visit(member, `${path}.${name}`),
    )
  }
  return visit(json, prefix)
}

describe('a patch', () => {
  test('can reach every member of a definition and no other', () => {
    expect(pathsOf(ProviderPatch).sort()).toEqual(pathsOf(ProviderDefinition).sort())
  })

  test('brings no defaults: an empty one changes nothing', () => {
    const empty = { routing: {}, timeouts: {}, probe: {}, models: {} }
    expect(ProviderPatch.parse(empty)).toEqual(empty)
    expect(patched(PRESENT, ProviderPatch.parse(empty))).toEqual({ ok: true, value: PRESENT })
  })

  test('changes what it names and leaves the rest', () => {
    const patch = ProviderPatch.parse({ name: 'B', routing: { weight: 7 }, timeouts: { connectMs: 99 } })
    expect(patched(PRESENT, patch)).toEqual({
      ok: true,
      value: {
        ...PRESENT,
        name: 'B',
        routing: { ...PRESENT.routing, weight: 7 },
        timeouts: { ...PRESENT.timeouts, connectMs: 99 },
      },
    })
  })

  test('takes an optional member away with null', () => {
    const patch = ProviderPatch.parse({
      routing: { region: null, maxQps: null, retryableStatusCodes: null },
      probe: { model: null },
    })
    expect(patched(PRESENT, patch)).toEqual({
      ok: true,
      value: { ...PRESENT, routing: { weight: 2 }, probe: { enabled: false, intervalMs: 60_000 } },
    })
  })

  test('cannot take away what a definition must have', () => {
    for (const patch of [{ name: null }, { routing: { weight: null } }, { models: { path: null } }]) {
      expect(ProviderPatch.safeParse(patch).success).toBe(false)
    }
  })

  test('replaces lists as a whole', () => {
    expect(patched(PRESENT, { models: { static: ['x', 'y'] } })).toMatchObject({
      value: { models: { static: ['x', 'y'] } },
    })
  })

  test('is as strict as the definition', () => {
    expect(ProviderPatch.safeParse({ baseUrl: 'nope' }).success).toBe(false)
    expect(ProviderPatch.safeParse({ timeouts: { connectMs: 1 } }).success).toBe(false)
    expect(ProviderPatch.safeParse({ colour: 'red' }).success).toBe(false)
  })

  test('laid over twice is laid over once', () => {
    const patch = fc.record(
      {
        name: fc.constantFrom('B', 'C'),
        routing: fc.record(
          { weight: fc.integer({ min: 1, max: 9 }), region: fc.constantFrom('us', null) },
          { requiredKeys: [] },
        ),
        timeouts: fc.record({ idleMs: fc.integer({ min: 10, max: 99 }) }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(patch, (one) => {
        const parsed = ProviderPatch.parse(one)
        const once = patched(PRESENT, parsed)
        expect(once.ok && patched(once.value, parsed)).toEqual(once)
      }),
    )
  })
})
