import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ManualClock } from '#contracts/process/clock.ts'
import { MemoryNotes } from '#data-plane/notes/notes-memory.ts'
import { RedisNotes } from '#data-plane/notes/notes-redis.ts'
import { LONGEST_NOTE, type Notes } from '#data-plane/notes/notes.ts'
import { eventually } from '../eventually.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { PATIENT_MS } from '../order.ts'
import { freePort } from '../services/server.ts'
import { freshRedis } from '../services/services.ts'

let count = 0
/** One that no other test uses. */
const aKey = (): string => `key ${(count += 1)}`
const SEAL = Buffer.alloc(32, 9)
const HOUR_MS = 3_600_000

/** Waits until it does, asking anew each time, as after a rest. */
const answers = (notes: Notes, clock: ManualClock): Promise<void> =>
  eventually(async () => {
    clock.advance(1_000)
    const before = notes.failures
    await notes.find(['any'])
    return notes.failures === before
  })

describe.each<[string, () => Promise<Notes>]>([
  ['in memory', async () => new MemoryNotes()],
  [
    'on Redis',
    async () => {
      const { url, prefix } = await freshRedis()
      const clock = new ManualClock()
      const notes = new RedisNotes({ url, prefix, clock, seal: SEAL, answerMs: PATIENT_MS })
      await answers(notes, clock)
      return notes
    },
  ],
])('notes %s', (_name, start) => {
  let notes: Notes
  beforeAll(async () => {
    notes = await start()
  })
  afterAll(() => notes[Symbol.asyncDispose]())

  test('are found under their keys, in the order asked for', async () => {
    const [one, none, two] = [aKey(), aKey(), aKey()]
    notes.keep(one, 'é🎉\n', HOUR_MS)
    notes.keep(two, '', HOUR_MS)
    await eventually(async () => (await notes.find([two]))[0] === '')
    expect(await notes.find([one, none, two])).toEqual(['é🎉\n', null, ''])
  })

  test('are replaced by later ones', async () => {
    const key = aKey()
    for (let time = 0; time < 20; time++) notes.keep(key, String(time), HOUR_MS)
    await eventually(async () => (await notes.find([key]))[0] === '19')
  })

  test('are gone after their time', async () => {
    const key = aKey()
    notes.keep(key, 'x', 40)
    await eventually(async () => (await notes.find([key]))[0] === null)
  })

  test('are not kept when they are no longer small', async () => {
    const [long, short] = [aKey(), aKey()]
    notes.keep(long, 'x'.repeat(LONGEST_NOTE + 1), HOUR_MS)
    notes.keep(short, 'x'.repeat(LONGEST_NOTE), HOUR_MS)
    await eventually(async () => (await notes.find([short]))[0] !== null)
    expect(await notes.find([long])).toEqual([null])
  })
})

describe('notes on a Redis that is not there', () => {
  test('are nothing at once, are counted, and are there again when it is', async () => {
    const { url, prefix } = await freshRedis()
    await using proxy = await FaultProxy.start(url)
    const clock = new ManualClock()
    await using notes = new RedisNotes({ url: proxy.via(url), prefix, clock, seal: SEAL })
    await answers(notes, clock)
    const key = aKey()
    notes.keep(key, 'x', HOUR_MS)
    await eventually(async () => (await notes.find([key]))[0] === 'x')
    proxy.blackHole()
    const before = notes.failures
    expect(await notes.find([key])).toEqual([null])
    notes.keep(key, 'y', HOUR_MS)
    expect(notes.failures - before).toBe(2)
    proxy.resetAll()
    proxy.heal()
    await answers(notes, clock)
    expect(await notes.find([key])).toEqual(['x'])
  })

  test('that never was are nothing, too', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`
    await using notes = new RedisNotes({ url, prefix: 'p', clock: new ManualClock(), seal: SEAL })
    expect(await notes.find(['a', 'b'])).toEqual([null, null])
  })
})

test('notes on Redis are sealed, and bound to their key', async () => {
  const { url, prefix } = await freshRedis()
  const clock = new ManualClock()
  await using notes = new RedisNotes({ url, prefix, clock, seal: SEAL, answerMs: PATIENT_MS })
  await answers(notes, clock)
  const [mine, theirs] = [aKey(), aKey()]
  notes.keep(mine, 'canary-91', HOUR_MS)
  await eventually(async () => (await notes.find([mine]))[0] === 'canary-91')
  const redis = new Redis(url)
  try {
    const [place = ''] = await redis.keys(`${prefix}:note:*`)
    const kept = (await redis.get(place)) ?? ''
    expect(Buffer.from(kept, 'base64').toString('latin1')).not.toContain('canary')
    notes.keep(theirs, 'other', HOUR_MS)
    await eventually(async () => (await notes.find([theirs]))[0] === 'other')
    for (const other of await redis.keys(`${prefix}:note:*`)) await redis.set(other, kept)
    expect(await notes.find([mine, theirs])).toEqual(['canary-91', null])
  } finally {
    redis.disconnect()
  }
})
