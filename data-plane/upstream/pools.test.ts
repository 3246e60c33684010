import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RecordedReceiver, smallRequest } from '#test/fakes/origin-rig.ts'
import { RawUpstream } from '#test/fakes/raw-upstream.ts'
import { ENDED } from './http/ended.ts'
import { Pools, type Destination } from './pools.ts'

let pools: Pools
beforeEach(() => {
  pools = new Pools(() => undefined)
})
afterEach(() => pools[Symbol.asyncDispose]())

const at = (port: number, more: Partial<Destination> = {}): Destination => ({
  origin: `http://127.0.0.1:${port}`,
  allowPrivate: true,
  timeouts: { connectMs: 500 },
  ...more,
})

describe('a pool', () => {
  test('is shared by everything that connects to one place in one way', () => {
    const one = at(1)
    const pool = pools.for(one)
    expect(pools.for(one)).toBe(pool)
    expect(pools.for(at(1))).toBe(pool)
  })

  test('is not shared where the place, its guard or its deadline differs', () => {
    const others = [at(2), at(1, { allowPrivate: false }), at(1, { timeouts: { connectMs: 600 } })]
    expect(new Set([at(1), ...others].map((destination) => pools.for(destination))).size).toBe(4)
  })

  test('that nobody names any more is closed and never handed out again', async () => {
    const [gone, kept] = [at(1), at(2)]
    const [closed, open] = [pools.for(gone), pools.for(kept)]
    pools.keepOnly([at(2)])
    expect(pools.for(kept)).toBe(open)
    const again = pools.for(gone)
    expect(again).not.toBe(closed)
    expect(pools.for(gone)).toBe(again)
    const receiver = new RecordedReceiver()
    closed.dispatch(smallRequest(), receiver)
    expect(await receiver.over).toMatchObject({ code: ENDED.gone, told: ['error'] })
  })

  test('tells what was thrown by whoever it answers', async () => {
    const faults: unknown[] = []
    await using own = new Pools((error) => void faults.push(error))
    await using upstream = await RawUpstream.start(() => undefined)
    const fault = new Error('what is this?')
    const receiver = new RecordedReceiver((told) => {
      if (told === 'start') throw fault
    })
    own.for(at(1, { origin: upstream.origin })).dispatch(smallRequest(), receiver)
    expect(await receiver.over).toMatchObject({ code: ENDED.unreadable })
    expect(faults).toEqual([fault])
  })
})
