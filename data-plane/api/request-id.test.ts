import { expect, test } from 'vitest'
import { requestIds } from './request-id.ts'

test('request ids are unique over processes and can stand in a header', () => {
  const ids = new Set<string>()
  for (let process = 0; process < 20; process++) {
    const next = requestIds()
    for (let count = 0; count < 1_000; count++) ids.add(next())
  }
  expect(ids.size).toBe(20_000)
  for (const id of ids) expect(id).toMatch(/^req_[\w-]{12}-[0-9a-z]+$/)
})
