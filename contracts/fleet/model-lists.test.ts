import { describe, expect, test } from 'vitest'
import { MOST_LISTED_MODELS, type ListedModel } from '../catalog/facts/listed-model.ts'
import { providerId } from '../ids.ts'
import { openModelList, signModelList } from './model-lists.ts'

const key = Buffer.alloc(32, 1)
const provider = providerId('openai')
const models = [{ id: 'vendor/m:1', contextWindow: 128_000 }, { id: 'modèle' }]

describe('a list of models', () => {
  test('arrives as it was sent', () => {
    const list = { at: 1_700_000_000_000, models }
    expect(openModelList(signModelList({ provider, list }, key), key)).toEqual({
      ok: true,
      value: { provider, list },
    })
  })

  test('is believed only as it was signed, by whoever has the key', () => {
    const signed = signModelList({ provider, list: { at: 5, models } }, key)
    const forged = signed.replace('"at":5', '"at":6')
    const refused = { ok: false, error: 'not signed by this installation' }
    expect(openModelList(forged, key)).toEqual(refused)
    expect(openModelList(signed, Buffer.alloc(32, 2))).toEqual(refused)
    for (const text of ['', '.', 'x', signed.slice(1)]) expect(openModelList(text, key)).toEqual(refused)
  })

  test('that is signed and makes no sense is refused all the same', () => {
    const list = { at: 5, models: [{ id: 'with space' }] }
    expect(openModelList(signModelList({ provider, list }, key), key)).toEqual({
      ok: false,
      error: 'malformed',
    })
  })

  test('says less when it is too long for a message, and the ids last of all', () => {
    const long = (id: string): ListedModel => ({ id, displayName: 'x'.repeat(200), ownedBy: 'y'.repeat(200) })
    const open = (ids: readonly string[]) => {
      const text = signModelList({ provider, list: { at: 5, models: ids.map(long) } }, key)
      expect(Buffer.byteLength(text)).toBeLessThan(1_000_000)
      const opened = openModelList(text, key)
      return opened.ok ? opened.value.list.models : []
    }
    const ids = Array.from({ length: MOST_LISTED_MODELS }, (_, at) => `model-${at}`)
    expect(open(ids)).toEqual(ids.map((id) => ({ id })))
    const endless = ids.map((id) => `${id}-`.padEnd(200, 'é'))
    const kept = open(endless)
    expect(kept.length).toBeGreaterThan(1_000)
    expect(kept.map(({ id }) => id)).toEqual(endless.slice(0, kept.length))
  })
})
