import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ContentUnavailable, type Content, type ContentStore } from '#contracts/content/content.ts'
import { adminApi, openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { entry, usageRecord } from '#test/control-plane/usage-record.ts'

let plane: AdminPlane
beforeAll(async () => {
  plane = await openAdminPlane()
  await plane.ports.books.enter(['logged', 'plain'].map((id) => entry(usageRecord(id))))
})
afterAll(() => plane[Symbol.asyncDispose]())

const content = (id: string): Content => {
  const at = Date.now()
  return {
    v: 1,
    id,
    key: 'key_a',
    at,
    until: at + 60_000,
    model: 'fast',
    provider: 'openai',
    status: 200,
    complete: true,
    request: [{ role: 'user', text: 'canary-in-the-prompt', truncated: false }],
    answer: [{ role: 'assistant', text: 'canary-in-the-answer', truncated: false }],
    leftOut: { request: 0, answer: 0 },
  }
}

const withStore = (contents: ContentStore | null) => adminApi({ ...plane.ports, contents })
const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )

describe('the content of a request', () => {
  test('is shown where it is kept, and nowhere else', async () => {
    const { api, ports } = plane
    const kept = content('logged')
    ports.contents?.keep(kept)
    expect(await api.requests.content({ id: 'logged' })).toEqual(kept)
    const [logged, plain] = [
      await api.requests.get({ id: 'logged' }),
      await api.requests.get({ id: 'plain' }),
    ]
    expect([logged.content, plain.content]).toEqual(['kept', 'none'])
    const { requests } = await api.requests.list()
    expect(JSON.stringify([logged, plain, requests])).not.toContain('canary')
    expect(await refusal(api.requests.content({ id: 'plain' }))).toBe(
      'no content of a request plain: its key does not log any, its time is over, or it was lost',
    )
  })

  test('leaves a record of who looked at which, and none of what was said', async () => {
    const { api, ports } = plane
    ports.contents?.keep(content('looked-at'))
    await api.requests.content({ id: 'looked-at' })
    // It is there before anything is flushed, once.
    const [look, ...others] = await ports.calls.recent({ limit: 10 })
    expect(look).toMatchObject({ procedure: 'requests.content', outcome: 'ok' })
    expect(others.map(({ detail }) => detail)).not.toContain(look?.detail)
    await refusal(api.requests.content({ id: 'not-there' }))
    await ports.calls.flush()
    const { calls } = await api.audit.calls()
    const looks = calls.filter(({ procedure }) => procedure === 'requests.content')
    expect(looks.slice(0, 2).map(({ actor, outcome }) => [actor, outcome])).toEqual([
      ['token:admin', 'refused'],
      ['token:admin', 'ok'],
    ])
    expect(looks[0]?.detail).toContain('not-there')
    expect(looks[1]?.detail).toBe('content of request looked-at of key key_a')
    expect(JSON.stringify([calls, plane.logged])).not.toContain('canary')
  })

  test('is said to be unknown where nobody can be asked', async () => {
    const nowhere = withStore(null)
    expect((await nowhere.requests.get({ id: 'plain' })).content).toBe('unknown')
    expect(await refusal(nowhere.requests.content({ id: 'plain' }))).toMatch(/no REDIS_URL$/)
    const silent = withStore({
      failures: 0,
      keep: () => undefined,
      read: async () => {
        throw new ContentUnavailable('Redis does not answer')
      },
      has: async () => null,
      [Symbol.asyncDispose]: async () => undefined,
    })
    expect((await silent.requests.get({ id: 'plain' })).content).toBe('unknown')
    expect(await refusal(silent.requests.content({ id: 'plain' }))).toMatch(/does not answer now; try again$/)
  })
})

test('nothing is shown while that somebody looks cannot be recorded', async () => {
  await using away = await openAdminPlane()
  away.ports.contents?.keep(content('unseen'))
  await away.loseDatabase()
  const said = await refusal(away.api.requests.content({ id: 'unseen' }))
  expect(said).toMatch(/cannot be recorded, so nothing is shown; try again$/)
})

describe('a key', () => {
  test('has contents logged from when it says so until it says otherwise', async () => {
    const { api } = plane
    const issued = await api.keys.issue({ name: 'logged', contentLog: { ttlSeconds: 60 } })
    const id = issued.ids['key'] ?? ''
    const { key } = await api.keys.get({ id })
    expect(key.contentLog).toEqual({ ttlSeconds: 60 })
    const off = await api.keys.setContentLog({ id, expectedVersion: key.version, contentLog: null })
    expect(off.events).toEqual(['ClientKeyContentLogSet'])
    expect((await api.keys.get({ id })).key.contentLog).toBeNull()
    const plain = await api.keys.issue({ name: 'plain' })
    expect((await api.keys.get({ id: plain.ids['key'] ?? '' })).key.contentLog).toBeNull()
    for (const ttlSeconds of [0, 59, 30 * 86_400 + 1])
      expect(
        await refusal(
          api.keys.setContentLog({ id, expectedVersion: off.version, contentLog: { ttlSeconds } }),
        ),
      ).not.toBe('accepted')
  })
})
