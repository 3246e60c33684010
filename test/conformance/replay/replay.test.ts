/**
 * Every recorded answer, read by every client's SDK through the gateway, is what the SDK of its own dialect
 * hears; and through its own dialect it passes byte for byte.
 */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KEY } from '../../integration/gateway.ts'
import { hasRecordings, recordings, type Recording } from '../recordings.ts'
import { EXCEPTIONS, MALFORMED } from './exceptions.ts'
import { differences, Replay, type Heard } from './replay.ts'
import { SDK_NAMES, SDKS } from '../sdk/sdks.ts'
import type { SdkName } from '../sdk/told.ts'
import { recordedAnswer } from '../upstream.ts'

const isAnswer = ({ id, status, body, stream }: Recording): boolean =>
  status === 200 &&
  (stream !== null || (body !== null && (body['error'] ?? null) === null)) &&
  !MALFORMED.some(({ recording }) => id.endsWith(recording))

const answers = recordings.filter(isAnswer)
const AI = {
  'openai-chat': 'ai-openai-chat',
  'openai-responses': 'ai-openai-responses',
  anthropic: 'ai-anthropic',
  gemini: 'ai-google',
} as const

let replay: Replay
beforeAll(async () => {
  replay = await Replay.start()
})
afterAll(() => replay[Symbol.asyncDispose]())

const exceptionFor = ({ id, dialect }: Recording, name: SdkName) =>
  EXCEPTIONS.find(
    ({ recording, sdks }) =>
      id.endsWith(recording) && (sdks?.includes(name) ?? SDKS[name].dialect !== dialect),
  )

describe.runIf(hasRecordings)('a recorded answer', () => {
  const used = new Set<string>()
  let alike = 0
  let excepted = 0

  test.each(answers)('$id is heard alike by every SDK', async (recording) => {
    const model = replay.serve(recording)
    const own = await replay.direct(recording, model)
    // Where the official SDK stumbles over its own provider, the AI SDK's provider may not.
    const ai = () => replay.direct(recording, model, AI[recording.dialect])
    const isError = 'error' in own && recording.id.endsWith('stream_error')
    const base = 'error' in own && !isError ? await ai() : own
    const wrong: string[] = []
    for (const name of SDK_NAMES) {
      const isOwn = SDKS[name].dialect === recording.dialect
      const exception = exceptionFor(recording, name)
      if (exception !== undefined) used.add(exception.recording)
      if (exception !== undefined && exception.heldTo === undefined) {
        excepted += 1
        continue
      }
      const expected = isOwn
        ? await replay.direct(recording, model, name)
        : exception?.heldTo === 'ai'
          ? await ai()
          : base
      const heard = await replay.through(name, recording, model)
      const differ = compare(expected, heard, isOwn)
      if (differ === null) alike += 1
      else wrong.push(`${name}: ${differ}`)
    }
    expect(wrong).toEqual([])
  })

  afterAll(() => {
    process.stdout.write(
      `${answers.length} recorded answers: heard alike ${alike} times, ${excepted} times excepted\n`,
    )
  })

  test('that is excepted is one of these recordings', () => {
    const known = EXCEPTIONS.map(({ recording }) => recording)
    expect(known.filter((recording) => !answers.some(({ id }) => id.endsWith(recording)))).toEqual([])
    // Alone, without the tests before it, nothing has been excepted yet.
    if (used.size > 0) expect([...used].toSorted()).toEqual(known.toSorted())
  })
})

function compare(expected: Heard, heard: Heard, isOwn: boolean): string | null {
  if ('error' in expected && 'error' in heard) {
    // Its own SDK fails over the same bytes in the same way; others are told of an error in their own.
    return !isOwn || expected.error === heard.error ? null : `${expected.error} => ${heard.error}`
  }
  if ('error' in expected) return `an error was expected: ${expected.error}`
  if ('error' in heard) return heard.error
  const differ = differences(expected.told, heard.told)
  if (differ.length === 0) return null
  return `${differ.join()}: ${JSON.stringify(expected.told)} => ${JSON.stringify(heard.told)}`
}

const digest = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

describe.runIf(hasRecordings)('through its own dialect', () => {
  /** Address at the gateway; Gemini names model and method in it. */
  function addressOf({ dialect, stream }: Recording, model: string): string {
    switch (dialect) {
      case 'openai-chat':
        return '/v1/chat/completions'
      case 'openai-responses':
        return '/v1/responses'
      case 'anthropic':
        return '/v1/messages'
      case 'gemini':
        return `/v1beta/models/${model}:${stream === null ? 'generateContent' : 'streamGenerateContent?alt=sse'}`
      default:
        return dialect satisfies never
    }
  }

  /** Kept responses are asked for by id at their own provider only: see `dialects.test.ts`. */
  const isStateful = ({ request }: Recording): boolean =>
    typeof request?.['previous_response_id'] === 'string'

  test.each(answers.filter((one) => !isStateful(one)))(
    '$id passes byte for byte, and so does its request',
    async (recording) => {
      const { dialect, request, stream } = recording
      const model = replay.serve(recording)
      const answer = recordedAnswer(recording)
      const asked = (name: string): string =>
        JSON.stringify(
          dialect === 'gemini'
            ? (request ?? { contents: [] })
            : { ...(request ?? { messages: [] }), model: name, stream: stream !== null },
        )
      const url = `http://127.0.0.1:${replay.gateway.port}${addressOf(recording, `${dialect}/${model}`)}`
      const heard = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
        body: asked(`${dialect}/${model}`),
      })
      expect(digest(Buffer.from(await heard.arrayBuffer()))).toBe(digest(answer.text))
      const sent = replay.upstream.lastFor(model)
      expect(digest(sent.bytes)).toBe(digest(asked(model)))
    },
  )
})
