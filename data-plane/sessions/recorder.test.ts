import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Content, ContentStore } from '#contracts/content/content.ts'
import { clientKeyStream, keyId } from '#contracts/ids.ts'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { eventually } from '#test/eventually.ts'
import { keyIssued, TestLog } from '#test/model/log-builder.ts'
import { compileSnapshot } from '../routing/compile.ts'
import { Slots } from '../routing/slots.ts'
import type { Principal, RoutingSnapshot } from '../routing/snapshot.ts'
import type { ContextScope, ContextStore, ContextTurn } from './context.ts'
import { Recorder, type Spoken } from './recorder.ts'
import { ListedHeaders } from '../http/request-headers.ts'

const MIB = 1024 * 1024
const KEY: Principal = {
  keyId: keyId('key_1'),
  state: 'active',
  expiresAt: Infinity,
  scope: null,
  limits: null,
  budgets: null,
  keepContext: true,
  contentLog: { ttlSeconds: 120 },
}

class Turns implements ContextStore {
  readonly failures = 0
  readonly limits = { turns: 50, ttlMs: 60_000, textLength: 4_000 }
  readonly all: ContextTurn[] = []
  add(_scope: ContextScope, turn: string): void {
    this.all.push(JSON.parse(turn) as ContextTurn)
  }
  async read(): Promise<null> {
    return null
  }
  async forget(): Promise<null> {
    return null
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

class Contents implements ContentStore {
  readonly failures = 0
  readonly all: Content[] = []
  keep(content: Content): void {
    this.all.push(content)
  }
  async read(): Promise<null> {
    return null
  }
  async has(): Promise<null> {
    return null
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** An answer under way, told by the test. */
class Answer {
  readonly status = 200
  readonly provider = 'a'
  #listener: (chunk: Buffer) => void = () => undefined
  #onClosed: (isWhole: boolean) => void = () => undefined
  listen(listener: (chunk: Buffer) => void): void {
    this.#listener = listener
  }
  onClosed(listener: (isWhole: boolean) => void): void {
    this.#onClosed = listener
  }
  tell(...chunks: readonly (string | Buffer)[]): void {
    for (const chunk of chunks) this.#listener(Buffer.from(chunk))
    this.#onClosed(true)
  }
}

let turns: Turns
let contents: Contents
let recorder: Recorder

type Keeping = Pick<Principal, 'keepContext' | 'contentLog'>
const NOTHING: Keeping = { keepContext: false, contentLog: null }

/** In force now, whatever the key wanted when a request began; null: it knows no such key. */
function snapshotWhere(wanted: Keeping | null): RoutingSnapshot {
  const log = new TestLog()
  const stream = clientKeyStream(KEY.keyId)
  if (wanted === null) log.append([keyIssued('key_other')])
  else {
    const { keepContext, contentLog } = wanted
    log.append([
      keyIssued(KEY.keyId),
      { type: 'ClientKeyContextSet', stream, body: { keepContext } },
      { type: 'ClientKeyContentLogSet', stream, body: { contentLog } },
    ])
  }
  const slots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
  const state = { catalog: log.catalog(), digest: log.digest(), discovered: new Map() }
  return compileSnapshot({ ...state, slots, previous: null, secret: () => undefined })
}
let holder: { current: RoutingSnapshot }

beforeEach(() => {
  turns = new Turns()
  contents = new Contents()
  holder = { current: snapshotWhere(KEY) }
  recorder = new Recorder({ contexts: turns, contents, sealer: openSealer, holder, now: () => 1_000 })
})
afterEach(() => void vi.restoreAllMocks())

const asking = (request: unknown, over: Partial<Spoken> = {}): Spoken => ({
  id: 'req_1',
  principal: KEY,
  headers: new ListedHeaders(['x-session-id', 's']),
  conversation: { dialect: 'openai-chat', framing: 'sse' },
  body: Buffer.from(JSON.stringify(request)),
  model: 'm',
  stream: false,
  ...over,
})
const HELLO = { messages: [{ role: 'user', content: 'Hello' }] }
const saying = (content: string): string =>
  JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }] })
const event = (content: string): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`
const piecesOf = (text: string, length: number): string[] =>
  Array.from({ length: Math.ceil(text.length / length) }, (_, at) =>
    text.slice(at * length, (at + 1) * length),
  )

/** What is kept of it, in the session and in the log. */
async function kept(
  spoken: Spoken,
  ...chunks: readonly (string | Buffer)[]
): Promise<[ContextTurn, Content]> {
  const answer = new Answer()
  recorder.watch(answer, spoken)
  answer.tell(...chunks)
  await eventually(() => contents.all.length === 1)
  const [turn, content] = [turns.all[0], contents.all[0]]
  if (turn === undefined || content === undefined) throw new Error('nothing was kept')
  return [turn, content]
}

const LONG = 'word '.repeat(8 * MIB)
const shapes = {
  'JSON in one chunk': [false, [saying(LONG)]],
  'JSON in many chunks': [false, piecesOf(saying(LONG), 100_000)],
  'a stream in one chunk': [true, [Array.from({ length: 40_000 }, () => event('word ')).join('')]],
  'a stream in many chunks': [true, Array.from({ length: 40_000 }, () => event('word '))],
} as const

describe('of an answer beyond 1 MiB', () => {
  test.each(Object.entries(shapes))(
    'its beginning is kept, and said to be cut: %s',
    async (_shape, [stream, chunks]) => {
      for (const { complete, answer } of await kept(asking(HELLO, { stream }), ...chunks)) {
        expect(answer).toEqual([
          { role: 'assistant', text: expect.stringMatching(/^(?:word ?){700,}$/), truncated: true },
        ])
        expect(complete).toBe(false)
      }
    },
  )

  test.each(Object.entries(shapes))(
    'no more than that is read, and that once: %s',
    async (_shape, [stream, chunks]) => {
      const parse = vi.spyOn(JSON, 'parse')
      const concat = vi.spyOn(Buffer, 'concat')
      await kept(asking(HELLO, { stream }), ...chunks)
      const parsed = parse.mock.calls.map(([text]) => text).filter((text) => !text.startsWith('{"id"'))
      expect(parsed.reduce((sum, text) => sum + text.length, 0)).toBeLessThanOrEqual(MIB + 100)
      for (const { value } of concat.mock.results) expect((value as Buffer).length).toBeLessThanOrEqual(MIB)
    },
  )

  test('of which nothing can be read it is said that there was something', async () => {
    const [turn] = await kept(asking(HELLO), `{"${'x'.repeat(2 * MIB)}":1}`)
    expect(turn.answer).toEqual([{ role: 'assistant', text: '', truncated: true }])
  })

  test('no secret is halved', async () => {
    const padding = `: ${'.'.repeat(1_000)}\n\n`
    const words = [...Array.from({ length: 900 }, () => 'word '), ...`sk-${'k7'.repeat(400)}`]
    const [, content] = await kept(
      asking(HELLO, { stream: true }),
      ...words.map((word) => `${event(word)}${padding}`),
    )
    expect(content.answer[0]?.text).toMatch(/^(?:word )+word$/)
  })
})

test('no secret is halved where a text is longer than what is looked through', async () => {
  const secrets = `sk-${'k7'.repeat(140)} `.repeat(225)
  const content = `${secrets}${'.'.repeat(63_990 - secrets.length)} sk-${'k7'.repeat(20)}`
  const [, { request }] = await kept(asking({ messages: [{ role: 'user', content }] }), saying('Well'))
  expect(request[0]?.text).toMatch(/^(?:\[redacted\] )+\.+$/)
  expect(request[0]?.truncated).toBe(true)
})

describe('of a question beyond 1 MiB', () => {
  test('all is kept but what pictures hold, where that was what was long', async () => {
    const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(3 * MIB)}` } }
    const messages = [
      { role: 'system', content: 'Be brief' },
      { role: 'user', content: [{ type: 'text', text: 'What is this?' }, picture] },
    ]
    const [turn, content] = await kept(asking({ messages }), saying('A letter'))
    const texts = [{ text: 'What is this?' }, { text: '[image]' }]
    expect(turn.request).toMatchObject(texts)
    expect(content.request).toMatchObject([{ text: 'Be brief' }, ...texts])
  })

  test('the newest is kept, and said to be cut', async () => {
    const messages = Array.from({ length: 40_000 }, (_, at) => ({
      role: 'user',
      content: `turn ${at} ${'x'.repeat(20)}`,
    }))
    const [turn, content] = await kept(asking({ model: 'm', messages, tools: [] }), saying('Well'))
    for (const { request } of [turn, content])
      expect(request.at(-1)).toMatchObject({ role: 'user', text: expect.stringMatching(/^turn 39999 /) })
    expect(content.leftOut.request).toBeGreaterThan(1_000)
  })

  test('it is said of a text that it was cut, though all that is kept of it fits', async () => {
    const messages = [{ role: 'user', content: 'a b '.repeat(MIB) }]
    const [turn] = await kept(asking({ messages }), saying('Well'))
    expect(turn.request).toMatchObject([{ role: 'user', truncated: true }])
  })

  test('which cannot be read it is said that there was one', async () => {
    const [turn, content] = await kept(asking({ what: 'x'.repeat(2 * MIB) }), saying('Well'))
    for (const { request } of [turn, content])
      expect(request).toEqual([{ role: 'user', text: '', truncated: true }])
  })
})

test('what cannot be retold is counted, and harms nobody', async () => {
  const depth = 200_000
  const input = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  const body = Buffer.from(
    `{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":${input}}]}]}`,
  )
  const conversation = { dialect: 'anthropic', framing: 'sse' } as const
  const answer = new Answer()
  recorder.watch(answer, asking({}, { body, conversation }))
  answer.tell(saying('Well'))
  await eventually(() => recorder.dropped.turns === 1)
  expect(recorder.dropped).toEqual({ turns: 1, contents: 1 })
})

test('answers that end together are kept one at a time, and beyond a hundred not at all', async () => {
  const answers = Array.from({ length: 101 }, () => new Answer())
  for (const answer of answers) recorder.watch(answer, asking(HELLO))
  for (const answer of answers) answer.tell(saying('Well'))
  const counts = new Set<number>()
  for (let at = 0; at < 300; at++) {
    counts.add(turns.all.length)
    await new Promise((resolve) => void setImmediate(resolve))
  }
  expect([turns.all.length, recorder.dropped.turns, counts.size]).toEqual([100, 1, 101])
})

test('a turn is bounded, however many texts it has', async () => {
  const messages = Array.from({ length: 100 }, () => ({ role: 'user', content: 'long '.repeat(1_000) }))
  const [turn] = await kept(asking({ messages }), saying('Well'))
  expect(turn.request.map(({ text }) => text.length)).toEqual(Array.from({ length: 16 }, () => 4_000))
})

describe('of a request under way', () => {
  const changes: readonly (readonly [string, Keeping | null, Keeping | null])[] = [
    ['nothing is kept when its key has turned both off', KEY, NOTHING],
    ['nothing is kept when its key is gone', KEY, null],
    ['nothing is kept when its key has turned both on', NOTHING, KEY],
  ]
  test.each(changes)('%s', async (_what, before, after) => {
    const answer = new Answer()
    recorder.watch(answer, asking(HELLO, { principal: { ...KEY, ...before } }))
    holder.current = snapshotWhere(after)
    answer.tell(saying('Well'))
    await later()
    expect([turns.all, contents.all, recorder.dropped]).toEqual([[], [], { turns: 0, contents: 0 }])
  })

  test('nothing is kept when its key turns both off after its end', async () => {
    const answer = new Answer()
    recorder.watch(answer, asking(HELLO))
    answer.tell(saying('Well'))
    holder.current = snapshotWhere(NOTHING)
    await later()
    expect([turns.all, contents.all]).toEqual([[], []])
  })

  test('one place is kept when its key has turned off the other', async () => {
    holder.current = snapshotWhere({ keepContext: false, contentLog: KEY.contentLog })
    await keep()
    holder.current = snapshotWhere({ keepContext: true, contentLog: null })
    await keep()
    expect([turns.all.length, contents.all.length]).toEqual([1, 1])
  })

  test.each([
    [60, 60],
    [180, 120],
  ])(
    'the content is kept no longer than its key says now, nor than it said: %d s, %d s',
    async (now, ttl) => {
      holder.current = snapshotWhere({ keepContext: true, contentLog: { ttlSeconds: now } })
      await keep()
      expect(contents.all.map(({ at, until }) => until - at)).toEqual([ttl * 1_000])
    },
  )

  async function keep(): Promise<void> {
    const answer = new Answer()
    recorder.watch(answer, asking(HELLO))
    answer.tell(saying('Well'))
    await later()
  }
})

/** What is kept is kept in a turn of the event loop after the answer. */
async function later(): Promise<void> {
  for (let at = 0; at < 3; at++) await new Promise((resolve) => void setImmediate(resolve))
}
