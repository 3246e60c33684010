import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { takeEvents, type ServerEvent } from './events.ts'

describe('events of a stream', () => {
  test('are taken when they are whole; the rest waits', () => {
    expect(takeEvents('event: connected\ndata: {}\n\ndata: {"a":1}\n\ndata: {"b"')).toEqual({
      events: [
        { event: 'connected', data: '{}' },
        { event: 'message', data: '{"a":1}' },
      ],
      rest: 'data: {"b"',
    })
  })

  test('without data are signs of life', () => {
    expect(takeEvents(': hello\n\nevent: ping\n\n')).toEqual({ events: [], rest: '' })
  })

  test('of several lines are one text', () => {
    expect(takeEvents('data: a\r\ndata: b\r\n\r\n').events).toEqual([{ event: 'message', data: 'a\nb' }])
  })

  test('are the same wherever the stream is cut', () => {
    const texts = fc.array(
      fc.string().filter((text) => !/[\r\n]/.test(text)),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(texts, fc.array(fc.nat(200), { maxLength: 4 }), (lines, cuts) => {
        const whole = lines.map((line) => `data: x${line}\n\n`).join('')
        const places = [
          0,
          ...cuts.map((cut) => Math.min(cut, whole.length)).toSorted((a, b) => a - b),
          whole.length,
        ]
        const taken: ServerEvent[] = []
        let rest = ''
        for (let at = 1; at < places.length; at++) {
          const found = takeEvents(rest + whole.slice(places[at - 1], places[at]))
          taken.push(...found.events)
          rest = found.rest
        }
        expect(taken.map(({ data }) => data)).toEqual(lines.map((line) => `x${line}`))
        expect(rest).toBe('')
      }),
    )
  })
})
