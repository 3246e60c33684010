import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChunkedBody } from './chunks.ts'

/** Reads pieces one after the other, as far as the body goes. */
function read(...pieces: readonly (string | Buffer)[]) {
  const body = new ChunkedBody()
  const data: Buffer[] = []
  let behind = ''
  for (const piece of pieces) {
    const bytes = Buffer.from(piece)
    body.at = 0
    if (!body.isOver) for (let one = body.next(bytes); one !== null; one = body.next(bytes)) data.push(one)
    behind += body.isOver ? bytes.toString('latin1', body.at) : ''
  }
  const { isOver, isBroken } = body
  return { text: Buffer.concat(data).toString('latin1'), isOver, isBroken, behind }
}

/** Cut where the numbers say. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...cuts].map((from, at) => bytes.subarray(from, cuts[at] ?? bytes.length))
}

describe('a body of chunks', () => {
  test('is the data of all of them, and ends behind the last', () => {
    expect(read('5\r\nhello\r\n', '1\r\n \r\n5\r\nworld\r\n0\r\n\r\nHTTP/1.1')).toEqual({
      text: 'hello world',
      isOver: true,
      isBroken: false,
      behind: 'HTTP/1.1',
    })
  })

  test('says nothing about extensions and trailers', () => {
    const text = 'A;name="v;x"\r\n0123456789\r\n0a ;x\r\n0123456789\r\n000;last\r\nx-sum: 1\r\ny: 2\r\n\r\n'
    expect(read(text)).toMatchObject({ text: '01234567890123456789', isOver: true, behind: '' })
  })

  test('may have as many chunks with extensions as it likes', () => {
    const chunk = `1;n=${'x'.repeat(100)}\r\na\r\n`
    expect(read(`${chunk.repeat(1_000)}0\r\n\r\n`)).toMatchObject({ text: 'a'.repeat(1_000), isOver: true })
  })

  test('is the same however it is cut', () => {
    const chunk = fc.record({
      data: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      zeros: fc.constantFrom('', '0', '00'),
      isUpper: fc.boolean(),
      extension: fc.constantFrom('', ';a', ' ;b=1', '\t'),
    })
    const places = fc.array(fc.nat(2_000), { maxLength: 30 })
    const trailers = fc.constantFrom('', 'a: b\r\n', 'a: b\r\nc: d\r\n')
    fc.assert(
      fc.property(fc.array(chunk), trailers, fc.string(), places, (chunks, trailer, behind, cuts) => {
        const spelled = chunks.map(({ data, zeros, isUpper, extension }) => {
          const size = data.length.toString(16)
          const line = `${zeros}${isUpper ? size.toUpperCase() : size}${extension}\r\n`
          return Buffer.concat([Buffer.from(line), data, Buffer.from('\r\n')])
        })
        const rest = Buffer.from(behind)
        const bytes = Buffer.concat([...spelled, Buffer.from(`0\r\n${trailer}\r\n`), rest])
        const whole = Buffer.concat(chunks.map(({ data }) => data)).toString('latin1')
        const wanted = { text: whole, isOver: true, isBroken: false, behind: rest.toString('latin1') }
        expect(read(...cut(bytes, cuts))).toEqual(wanted)
      }),
    )
  })

  test('is not over before its last byte', () => {
    const whole = '3\r\nabc\r\n0\r\nx: y\r\n\r\n'
    for (let length = 0; length < whole.length; length++)
      expect(read(whole.slice(0, length))).toMatchObject({ isOver: false, isBroken: false })
    expect(read(whole).isOver).toBe(true)
  })

  test.each([
    ['no length', '\r\nabc'],
    ['a length that is none', 'g\r\n'],
    ['a sign', '-3\r\nabc\r\n'],
    ['a prefix', '0x3\r\nabc\r\n'],
    ['a blank first', ' 3\r\nabc\r\n'],
    ['a length nobody can hold', '1234567890123\r\n'],
    ['a line feed alone behind the length', '3\nabc\r\n'],
    ['a carriage return alone behind the length', '3\rabc\r\n'],
    ['a line feed within an extension', '3;a\nb\r\nabc\r\n'],
    ['less data than it says', '4\r\nabc\r\n0\r\n\r\n'],
    ['more data than it says', '2\r\nabc\r\n0\r\n\r\n'],
    ['a line feed alone behind the data', '3\r\nabc\n0\r\n\r\n'],
    ['a line feed alone behind the end', '0\r\n\n'],
    ['a line feed within a trailer', '0\r\na: b\nc: d\r\n\r\n'],
    ['an extension without end', `3;${'x'.repeat(20_000)}`],
    ['trailers without end', `0\r\n${'x: y\r\n'.repeat(5_000)}`],
  ])('with %s is broken', (_what, text) => {
    expect(read(text)).toMatchObject({ isOver: false, isBroken: true })
    expect(read(...[...text].map((one) => Buffer.from(one, 'latin1')))).toMatchObject({ isBroken: true })
  })
})
