import { expect, test } from 'vitest'
import { endpointsOf } from '#contracts/catalog/endpoints.ts'
import { keyId } from '#contracts/ids.ts'
import { deployment } from '#test/fakes/deployment.ts'
import { MemoryNotes } from '../../notes/notes-memory.ts'
import { responseState, type StateRequest } from './responses-state.ts'
import { ListedHeaders } from '../../http/request-headers.ts'

function pathFor(asked: Partial<StateRequest>, query = '', baseUrl = 'http://127.0.0.1:9/v1') {
  const call = responseState({
    method: 'GET',
    id: 'resp_1',
    tail: '',
    query: new URLSearchParams(query),
    ...asked,
  })
  const inquiry = call.read({
    body: Buffer.alloc(0),
    headers: new ListedHeaders([]),
    requestId: 'req_1',
    strict: false,
    countStreams: false,
    now: 0,
    sealer: { seal: () => '', open: () => null },
    notes: new MemoryNotes(),
    keyId: keyId('key_1'),
  })
  if (!inquiry.ok) throw new Error(inquiry.error.code)
  const prepared = inquiry.value.prepare(
    deployment('a', { endpoints: endpointsOf('openai', baseUrl).paths('m') }),
  )
  if (!prepared.ok) throw new Error(String(prepared.error.message))
  return { path: prepared.value.path, stream: inquiry.value.stream }
}

test('a response is asked for below the provider’s own address', () => {
  expect(pathFor({}).path).toBe('/v1/responses/resp_1')
  expect(pathFor({ method: 'POST', tail: '/cancel' }).path).toBe('/v1/responses/resp_1/cancel')
})

test('a query that the API defines goes with it', () => {
  const { path } = pathFor({ tail: '/input_items' }, 'limit=3&order=asc&include[]=a&include[]=b')
  expect(path).toBe('/v1/responses/resp_1/input_items?limit=3&order=asc&include%5B%5D=a&include%5B%5D=b')
})

test('a key in the query stays here, and so does what could replace a query of the provider’s own', () => {
  const own = pathFor({}, 'key=sk-client&api-version=1&limit=3', 'http://127.0.0.1:9/openai?api-version=2')
  expect(own.path).toMatch(/\/responses\/resp_1\?limit=3&api-version=2$/)
  expect(pathFor({}, 'key=sk-client').path).toBe('/v1/responses/resp_1')
})

test('only a response that is read can be streamed, and only when the query says so', () => {
  expect(pathFor({}, 'stream=true&starting_after=5')).toEqual({
    path: '/v1/responses/resp_1?stream=true&starting_after=5',
    stream: true,
  })
  expect(pathFor({}, 'stream=false').stream).toBe(false)
  expect(pathFor({ method: 'DELETE' }, 'stream=true').stream).toBe(false)
})
