import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { eventually } from '#test/eventually.ts'
import { CallRecorder, type Call } from './calls.ts'

let plane: AdminPlane
beforeAll(async () => {
  plane = await openAdminPlane()
})
afterAll(() => plane[Symbol.asyncDispose]())
beforeEach(() => sql`truncate cp_call restart identity`.execute(plane.database))

const call = (more: Partial<Call> = {}): Call => ({
  actor: 'a',
  procedure: 'p',
  outcome: 'ok',
  detail: '',
  ...more,
})
const details = async (recorder: CallRecorder): Promise<readonly string[]> =>
  (await recorder.recent({ limit: 1_000 })).map(({ detail }) => detail)
const run = (statement: string) => sql.raw(statement).execute(plane.database)

/** The table is out of reach meanwhile. */
async function away(work: () => Promise<void>): Promise<void> {
  await run('alter table cp_call rename to cp_call_away')
  try {
    await work()
  } finally {
    await run('alter table cp_call_away rename to cp_call')
  }
}

describe('records of calls', () => {
  test('are written on their own, newest first to read', async () => {
    await using recorder = new CallRecorder(plane.database, plane.clock)
    recorder.record(call({ detail: 'first' }))
    plane.clock.advance(5)
    recorder.record(call({ detail: 'second', outcome: 'refused' }))
    await eventually(async () => (await details(recorder)).length === 2)
    expect(await recorder.recent({ limit: 10 })).toEqual([
      { id: 2, at: plane.clock.now(), actor: 'a', procedure: 'p', outcome: 'refused', detail: 'second' },
      { id: 1, at: plane.clock.now() - 5, actor: 'a', procedure: 'p', outcome: 'ok', detail: 'first' },
    ])
    expect(await recorder.recent({ limit: 10, before: 2 })).toMatchObject([{ id: 1 }])
    expect(await recorder.recent({ limit: 10, outcome: 'refused' })).toMatchObject([{ id: 2 }])
  })

  test('are written when the recorder ends', async () => {
    const recorder = new CallRecorder(plane.database, plane.clock)
    recorder.record(call({ detail: 'last' }))
    await recorder[Symbol.asyncDispose]()
    expect(await details(recorder)).toEqual(['last'])
  })

  test('wait for the database, the oldest are dropped beyond a thousand, and counted', async () => {
    await using recorder = new CallRecorder(plane.database, plane.clock)
    await away(async () => {
      for (let at = 0; at < 700; at++) recorder.record(call({ detail: String(at) }))
      await recorder.flush()
      for (let at = 700; at < 1_250; at++) recorder.record(call({ detail: String(at) }))
      await recorder.flush()
      expect([recorder.held, recorder.dropped]).toEqual([1_000, 250])
    })
    await recorder.flush()
    expect(recorder.held).toBe(0)
    const kept = await details(recorder)
    expect([kept.length, kept.at(-1), kept[0]]).toEqual([1_000, '250', '1249'])
  })

  test('of denied calls are counted beyond sixty a minute', async () => {
    await using recorder = new CallRecorder(plane.database, plane.clock)
    for (let at = 0; at < 100; at++) recorder.record(call({ outcome: 'denied', detail: String(at) }))
    recorder.record(call({ detail: 'allowed' }))
    await recorder.flush()
    expect(await details(recorder)).toHaveLength(61)
    plane.clock.advance(60_000)
    await recorder.flush()
    expect((await details(recorder))[0]).toBe('40 more calls were denied in one minute')
    recorder.record(call({ outcome: 'denied', detail: 'the next minute' }))
    await recorder.flush()
    expect((await details(recorder))[0]).toBe('the next minute')
  })

  test('tell of denied calls at the end, when their minute is not over', async () => {
    const recorder = new CallRecorder(plane.database, plane.clock)
    for (let at = 0; at < 62; at++) recorder.record(call({ outcome: 'denied', detail: '' }))
    await recorder[Symbol.asyncDispose]()
    expect((await details(recorder))[0]).toBe('2 more calls were denied in one minute')
  })

  test('are stored whatever a caller made of its texts', async () => {
    await using recorder = new CallRecorder(plane.database, plane.clock)
    recorder.record(
      call({ procedure: 'nul \u0000 escape \u001b', detail: `half \ud800 ${'x'.repeat(1_000)}` }),
    )
    await recorder.flush()
    const [stored] = await recorder.recent({ limit: 1 })
    expect(stored?.procedure).toBe('nul � escape �')
    expect(stored?.detail).toMatch(/^half � x+$/)
    expect(stored?.detail).toHaveLength(500)
  })

  test('of looks at what was said are written at once, or not at all, and not deleted with the others', async () => {
    await using recorder = new CallRecorder(plane.database, plane.clock)
    await recorder.recordLook('a', 'content of request 1')
    const kept = { actor: 'a', procedure: 'requests.content', outcome: 'ok', detail: 'content of request 1' }
    expect(await recorder.recent({ limit: 10 })).toMatchObject([kept])
    await away(async () => {
      await expect(recorder.recordLook('a', 'content of request 2')).rejects.toThrow()
    })
    await run(`insert into cp_call (id, at, actor, procedure, outcome, detail) overriding system value
      values (2, 0, 'a', 'requests.content', 'refused', 'none'), (3, 0, 'a', 'requests.list', 'ok', ''),
        (2000001, 0, 'a', 'p', 'ok', 'newest')`)
    plane.clock.advance(3_600_000)
    await recorder.flush()
    expect(await details(recorder)).toEqual(['newest', 'content of request 1'])
  })

  test('a million behind the newest are deleted, once an hour', async () => {
    await using recorder = new CallRecorder(plane.database, plane.clock)
    const insert = (id: number) =>
      run(`insert into cp_call (id, at, actor, procedure, outcome, detail) overriding system value
        values (${id}, 0, 'a', 'p', 'ok', '${id}')`)
    await insert(1)
    await insert(2)
    await insert(1_000_001)
    await recorder.flush()
    expect(await details(recorder)).toEqual(['1000001', '2', '1'])
    plane.clock.advance(3_600_000)
    await recorder.flush()
    expect(await details(recorder)).toEqual(['1000001', '2'])
  })
})
