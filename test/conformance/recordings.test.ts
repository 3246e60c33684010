import { describe, expect, test } from 'vitest'
import { DIALECTS } from '#data-plane/dialects/canonical/request.ts'
import { eventsOf, hasRecordings, recordings, recordingsOf } from './recordings.ts'

test('events of a stream are found whatever its line ends, without comments', () => {
  const stream = ': hello\r\n\r\nevent: a\r\ndata: {"x":\r\ndata: 1}\r\n\r\ndata:[DONE]\n\n'
  expect(eventsOf(stream)).toEqual([
    { event: 'a', data: '{"x":\n1}' },
    { event: '', data: '[DONE]' },
  ])
})

describe.runIf(hasRecordings)('recordings', () => {
  test('have ids that differ', () => {
    expect(new Set(recordings.map(({ id }) => id)).size).toBe(recordings.length)
  })

  test.each(DIALECTS)('of %s hold requests, answers and streams that can be read', (dialect) => {
    const found = recordingsOf(dialect)
    expect(found.filter(({ request }) => request !== null).length).toBeGreaterThan(10)
    expect(found.filter(({ body, status }) => status === 200 && body !== null).length).toBeGreaterThan(10)
    const streams = found.filter(({ stream }) => stream !== null)
    expect(streams.length).toBeGreaterThan(5)
    for (const { id, stream } of streams)
      for (const { data } of eventsOf(stream ?? ''))
        if (data !== '[DONE]') expect(() => JSON.parse(data), id).not.toThrow()
  })

  test('have a body or a stream, unless the answer was none', () => {
    for (const { id, body, stream, status } of recordings)
      if (status === 200) expect(body !== null || stream !== null, id).toBe(true)
  })
})
