import { expect, test } from 'vitest'
import { ListedHeaders } from './request-headers.ts'

const LIST = ['Host', 'a', 'X-It', '1', 'session_id', 's', 'x-it', '2', 'it', '3']

test('a header is found by its name in lower case, joined when it came several times', () => {
  const headers = new ListedHeaders(LIST)
  expect(['host', 'x-it', 'session_id', 'it', 'x', 'a'].map((name) => headers.get(name))).toEqual([
    'a',
    '1, 2',
    's',
    '3',
    undefined,
    undefined,
  ])
  expect(['host', 'x-it', 'x'].map((name) => headers.isRepeated(name))).toEqual([false, true, false])
})
