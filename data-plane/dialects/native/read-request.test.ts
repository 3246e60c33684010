import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  member,
  objectText,
  otherMember,
  stringText,
  type Member,
  type ObjectText,
} from '#test/arbitraries/json-text.ts'
import { parseRequest, patchRequest, readRequest, type NativeRequest } from './read-request.ts'

const read = (body: string | Buffer, accept?: string) => readRequest(Buffer.from(body), accept)

function accepted(body: string | Buffer, accept?: string): NativeRequest {
  const result = read(body, accept)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

const refused = (body: string | Buffer) => {
  const result = read(body)
  return result.ok ? 'accepted' : result.error
}

/** A large body comes in pieces. */
const whole = (patched: Buffer | readonly Buffer[]): Buffer =>
  Buffer.isBuffer(patched) ? patched : Buffer.concat(patched)

const sha256 = (...parts: readonly Buffer[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

describe('the form of the answer', () => {
  const EVENTS = 'text/event-stream'

  test.each([
    ['{"model":"m"}', undefined, false],
    ['{"model":"m"}', '*/*', false],
    ['{"model":"m"}', 'application/json', false],
    ['{"model":"m"}', EVENTS, true],
    ['{"model":"m"}', `application/json, ${EVENTS};q=0.9`, true],
    ['{"model":"m","stream":true}', undefined, true],
    ['{"model":"m","stream":true}', 'application/json', true],
    ['{"model":"m","stream":false}', undefined, false],
    ['{"model":"m","stream":false}', EVENTS, false],
    ['{"model":"m","stream":null}', EVENTS, false],
    ['{"stream" : true ,"model":"m"}', undefined, true],
    ['{"str\\u0065am":true,"model":"m"}', undefined, true],
    ['{"model":"m","x":{"stream":true}}', undefined, false],
  ])('of %s with Accept %s is a stream: %s', (body, accept, stream) => {
    expect(accepted(body, accept).stream).toBe(stream)
  })

  test.each(['1', '0', '"true"', '""', '[]', '{}', '{"a":true}'])('is not said by stream:%s', (value) => {
    expect(refused(`{"model":"m","stream":${value}}`)).toMatchObject({
      code: 'invalid_value',
      param: 'stream',
    })
  })
})

describe('the model', () => {
  test.each([
    ['{"model":"gpt-4o"}', 'gpt-4o'],
    ['{"model":"vendor/name:free"}', 'vendor/name:free'],
    ['{"model":"\\u0067pt\\n\\"é"}', 'gpt\n"é'],
    ['{"model":"\\ud83c\\udf89🎉"}', '🎉🎉'],
    ['{"model":" "}', ' '],
    ['{"model":"__proto__"}', '__proto__'],
    ['{"model":"é"}', 'é'],
    ['{"model":"模型/大"}', '模型/大'],
  ])('of %s is %j, in a small body and in a large one', (body, model) => {
    expect(accepted(body).model).toBe(model)
    expect(accepted(`${body.slice(0, -1)},"messages":["${'x'.repeat(9_000)}"]}`).model).toBe(model)
  })

  test.each(['{}', '{"Model":"m"}', '{"messages":[{"model":"m"}]}', '{"model":""}', '{"mode":"m"}'])(
    'is missing in %s',
    (body) => {
      expect(refused(body)).toMatchObject({ code: 'missing_model', param: 'model' })
    },
  )

  test.each(['null', '1', 'true', '["m"]', '{"id":"m"}', '"\\x"', '"a\\u12"'])('cannot be %s', (value) => {
    expect(refused(`{"model":${value}}`)).toMatchObject({ code: 'invalid_value', param: 'model' })
  })
})

describe('a body that cannot be read', () => {
  test.each([
    ['nothing', ''],
    ['white space', ' \n'],
    ['an array', '[{"model":"m"}]'],
    ['a string', '"model"'],
    ['half a body', '{"model":"m"'],
    ['a body and more', '{"model":"m"}{}'],
    ['a model twice', '{"model":"m","messages":[],"model":"n"}'],
    ['a model twice, once by number', '{"model":"m","\\u006dodel":"n"}'],
    ['stream twice', '{"model":"m","stream":true,"stream":false}'],
    ['a byte order mark', '\ufeff{"model":"m"}'],
    ['deep nesting', `{"model":"m","messages":${'['.repeat(300)}${']'.repeat(300)}}`],
    ['nesting without end', `{"model":"m","messages":${'['.repeat(100_000)}`],
  ])('is refused: %s', (_what, body) => {
    expect(refused(body)).toMatchObject({ code: 'malformed_json', message: expect.any(String) })
  })

  test.each([
    ['a lone continuation', [0x80]],
    ['half a character', [0xc3]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['more than Unicode has', [0xf4, 0x90, 0x80, 0x80]],
    ['Latin-1', [0xe9]],
  ])('is refused when it is not UTF-8: %s', (_what, bytes) => {
    for (const size of [0, 9_000]) {
      const body = Buffer.concat([
        Buffer.from('{"model":"m","messages":["'),
        Buffer.alloc(size, 'x'),
        Buffer.from(bytes),
        Buffer.from('"]}'),
      ])
      expect(refused(body)).toMatchObject({
        code: 'malformed_json',
        message: expect.stringContaining('UTF-8'),
      })
    }
  })
})

test('a small body comes with its text, byte for character, and a large one does not', () => {
  const body = Buffer.from('{"model":"m","a":"é🎉"}')
  expect(accepted(body).text).toBe(body.toString('latin1'))
  const addressed = readRequest(body, undefined, { model: 'm', stream: false })
  expect(addressed).toMatchObject({ ok: true, value: { text: body.toString('latin1') } })
  expect(accepted(Buffer.concat([body, Buffer.alloc(8 * 1024, ' ')])).text).toBeNull()
})

describe('the body for an upstream', () => {
  const NAMES = ['model', 'stream'] as const
  const model = member(
    'model',
    stringText.filter((text) => JSON.parse(text) !== ''),
  )
  const stream: Member = { name: 'stream', key: '"stream"', value: 'false' }
  const upstream = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    .map((name) => Buffer.from(JSON.stringify(name)))
  /** The model at any place among the others. */
  const bodies = (...more: readonly Member[]): fc.Arbitrary<ObjectText> =>
    fc.tuple(model, fc.array(otherMember(NAMES), { maxLength: 3 }), fc.nat()).chain(([one, rest, place]) => {
      const others = [...rest, ...more]
      const at = place % (others.length + 1)
      return objectText(fc.constant([...others.slice(0, at), one, ...others.slice(at)]))
    })

  test('is the one that came, byte for byte, but for the model', () => {
    fc.assert(
      fc.property(bodies(stream), upstream, fc.boolean(), ({ bytes, members }, name, isLarge) => {
        const pad = Buffer.alloc(isLarge ? 70_000 : 0, ' ')
        const body = Buffer.concat([bytes, pad])
        const before = sha256(body)
        const { start, end } = members.find((one) => one.name === 'model')!
        const patched = whole(patchRequest(accepted(body), name))
        expect(patched.subarray(start, start + name.length)).toEqual(name)
        const [ahead, behind] = [body.subarray(0, start), body.subarray(end)]
        expect(sha256(patched.subarray(0, start), patched.subarray(start + name.length))).toBe(
          sha256(ahead, behind),
        )
        expect(patched.length).toBe(body.length - (end - start) + name.length)
        // The next attempt patches the same buffer for another upstream.
        expect(sha256(body)).toBe(before)
      }),
      { numRuns: 1_000 },
    )
  })

  test('is the very same buffer when the model has the same name there', () => {
    const request = accepted('{"messages":[],"model":"m"}')
    expect(patchRequest(request, Buffer.from('"m"'))).toBe(request.body)
    expect(patchRequest(request, Buffer.from('"n"'))).not.toBe(request.body)
  })

  test('says that it wants a stream when only the Accept header did, and changes nothing else', () => {
    fc.assert(
      fc.property(bodies(), upstream, ({ bytes }, name) => {
        const request = accepted(bytes, 'text/event-stream')
        expect(request.addStream).toBe(true)
        const patched = whole(patchRequest(request, name))
        const { stream: isStream, model: sent } = JSON.parse(patched.toString()) as Record<string, unknown>
        expect([isStream, sent]).toEqual([true, JSON.parse(name.toString())])
        // Byte by byte. What the two parse to says no more, and V8 read a key `"\b"` as another once in some 10,000 runs.
        const open = bytes.indexOf('{') + 1
        expect(patched.subarray(-(bytes.length - request.modelEnd) || patched.length)).toEqual(
          bytes.subarray(request.modelEnd),
        )
        expect(
          patched.subarray('{"stream":true,'.length, '{"stream":true,'.length + request.modelStart - open),
        ).toEqual(bytes.subarray(open, request.modelStart))
      }),
      { numRuns: 500 },
    )
  })

  test('wants a stream, too, when the model keeps its name', () => {
    expect(patchRequest(accepted(' {"model":"m"}', 'text/event-stream'), Buffer.from('"m"')).toString()).toBe(
      '{"stream":true,"model":"m"}',
    )
  })
})

describe('a body that has to be understood', () => {
  const large = (middle: string) =>
    Buffer.from(`{"model":"m","messages":["${'x'.repeat(20_000)}",${middle}]}`)

  test('is an object, whole', () => {
    expect(parseRequest(Buffer.from('{"a":[1,{"b":null}]}'))).toEqual({
      ok: true,
      value: { a: [1, { b: null }] },
    })
  })

  test.each([
    ['{]', 'The request body is not valid JSON.'],
    [`${'['.repeat(5_000)}${']'.repeat(5_000)}`, 'The request body is nested too deeply.'],
    [`${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`, 'The request body is nested too deeply.'],
  ])('is checked in its middle, too, which passing it on leaves to the upstream (%#)', (middle, message) => {
    const body = large(middle)
    expect(readRequest(body, undefined).ok).toBe(true)
    expect(parseRequest(body)).toEqual({ ok: false, error: { code: 'malformed_json', message } })
  })
})
