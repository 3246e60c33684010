/**
 * No client sees a failure while a healthy candidate exists and no content byte was sent; no client ever sees
 * two answers spliced. Every fault, as JSON and as SSE, by the official SDK and by plain HTTP.
 */
import OpenAI, { APIError } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { behaviours, type Behaviour } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { EARLY_FAULTS, LATE_FAULTS, MODES, type EarlyFault, type Mode, type Where } from './fault-matrix.ts'
import { Gateway, KEY, type GatewayProvider } from './gateway.ts'

const CLIENTS = ['http', 'sdk'] as const
type Client = (typeof CLIENTS)[number]
/** Who has the fault: one of two, two of three, or everyone. */
const SETUPS = ['first', 'first two', 'all'] as const
type Setup = (typeof SETUPS)[number]

/** A cell of the matrix. Each has a model of its own, so that none learns from another. */
type Cell = Readonly<{
  model: string
  fault: string
  mode: Mode
  client: Client
  setup: Setup
  where: Where
  behaviour: Behaviour
}>

const GOOD_ANSWER = 'The good answer.'
const BAD_WORDS = ['The ', 'bad ', 'answer.']

const cells: Cell[] = []
const add = (fault: string, mode: Mode, setup: Setup, where: Where, behaviour: Behaviour): void => {
  for (const client of CLIENTS)
    cells.push({
      model: `cell-${cells.length}`,
      fault,
      mode,
      client,
      setup,
      where,
      behaviour: { words: BAD_WORDS, ...behaviour },
    })
}
for (const [fault, early] of Object.entries(EARLY_FAULTS)) {
  for (const mode of MODES)
    for (const setup of SETUPS)
      if (early[mode] !== null) add(fault, mode, setup, early.where ?? 'told', early.behaviour)
}
for (const [fault, { behaviour }] of Object.entries(LATE_FAULTS))
  add(fault, 'sse', 'first', 'told', behaviour)

/** Two of each kind of faulty provider. */
const FAULTY: Readonly<Record<Where, readonly [string, string]>> = {
  told: ['bad', 'worse'],
  refusing: ['down', 'gone'],
  resetting: ['resetting', 'broken'],
}
const targetsOf = ({ where, setup, model }: Cell): readonly string[] => {
  const [one, two] = FAULTY[where]
  const names = { first: [one, 'good'], 'first two': [one, two, 'good'], all: [one, two] }[setup]
  return names.map((name) => `${name}/${model}`)
}

const fakes = new Map<string, FakeProvider>()
let gateway: Gateway
let openai: OpenAI

beforeAll(async () => {
  const providers: Record<string, GatewayProvider> = {}
  for (const name of ['good', ...Object.values(FAULTY).flat()]) {
    const one = await FakeProvider.start()
    fakes.set(name, one)
    providers[name] = { baseUrl: one.baseUrl }
  }
  fake('good').byDefault(behaviours.says('The ', 'good ', 'answer.'))
  for (const cell of cells)
    for (const name of FAULTY.told) fake(name).when({ model: cell.model }, cell.behaviour)
  for (const name of FAULTY.refusing) await fake(name).stopListening()
  for (const name of FAULTY.resetting) fake(name).resetOnAccept(true)
  gateway = await Gateway.start({
    providers,
    models: Object.fromEntries(cells.map((cell) => [cell.model, targetsOf(cell)])),
  })
  openai = new OpenAI({ apiKey: KEY, baseURL: gateway.baseUrl, maxRetries: 0 })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const one of fakes.values()) await one[Symbol.asyncDispose]()
})

function fake(name: string): FakeProvider {
  const found = fakes.get(name)
  if (found === undefined) throw new Error(`no provider ${name}`)
  return found
}

/** What a client saw, however it asked. */
type Sight = Readonly<{
  status: number
  headers: Headers
  /** Everything that was said, and whether it came to its end. */
  said: string
  isComplete: boolean
  /** Ids of the answers that the pieces belong to. */
  ids: ReadonlySet<string>
  error: Readonly<{ code: unknown; message: unknown; type: unknown }> | null
}>

const ask = (cell: Cell): Promise<Sight> => (cell.client === 'http' ? askByHttp(cell) : askBySdk(cell))
const bodyOf = ({ model, mode }: Cell) => ({
  model,
  messages: [{ role: 'user' as const, content: 'Hi' }],
  ...(mode === 'sse' ? { stream: true } : {}),
})

type Chunk = {
  id?: string
  choices?: { delta?: { content?: string }; message?: { content?: string }; finish_reason?: string | null }[]
  error?: Sight['error']
}

async function askByHttp(cell: Cell): Promise<Sight> {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
  const answer = await fetch(`${gateway.baseUrl}/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify(bodyOf(cell)),
  })
  const text = await answer.text()
  const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream') === true
  const events = isStream ? text.split('\n\n').slice(0, -1) : [`data: ${text}`]
  // Whole events only: the last one has its blank line.
  if (isStream) expect(text.endsWith('\n\n')).toBe(true)
  const data = events.map((event) => event.replace(/^data: /, ''))
  const chunks = data.filter((one) => one !== '[DONE]').map((one) => JSON.parse(one) as Chunk)
  const dones = data.filter((one) => one === '[DONE]').length
  return {
    status: answer.status,
    headers: answer.headers,
    said: chunks
      .map(({ choices }) => choices?.[0]?.delta?.content ?? choices?.[0]?.message?.content ?? '')
      .join(''),
    isComplete: isStream
      ? dones === 1 && data.at(-1) === '[DONE]'
      : chunks[0]?.choices?.[0]?.finish_reason === 'stop',
    ids: new Set(chunks.flatMap(({ id }) => id ?? [])),
    error: chunks.find(({ error }) => error !== undefined)?.error ?? null,
  }
}

async function askBySdk(cell: Cell): Promise<Sight> {
  const [ids, seen] = [new Set<string>(), { said: '', isComplete: false, status: 0, headers: new Headers() }]
  try {
    if (cell.mode === 'json') {
      const { data, response } = await openai.chat.completions
        .create({ ...bodyOf(cell), stream: false })
        .withResponse()
      const [choice] = data.choices
      return {
        status: response.status,
        headers: response.headers,
        said: choice?.message.content ?? '',
        isComplete: choice?.finish_reason === 'stop',
        ids: ids.add(data.id),
        error: null,
      }
    }
    const { data, response } = await openai.chat.completions
      .create({ ...bodyOf(cell), stream: true })
      .withResponse()
    Object.assign(seen, { status: response.status, headers: response.headers })
    for await (const { id, choices } of data) {
      ids.add(id)
      seen.said += choices[0]?.delta.content ?? ''
      if (choices[0]?.finish_reason === 'stop') seen.isComplete = true
    }
    return { ...seen, ids, error: null }
  } catch (error) {
    if (!(error instanceof APIError)) throw error
    const { code, type, message } = error
    return {
      ...seen,
      status: error.status ?? seen.status,
      headers: error.headers ?? seen.headers,
      ids,
      error: { code, type, message },
    }
  }
}

/** What became of each cell, for the table. */
const results = new Map<string, string>()
const told = (cell: Cell, sight: Sight): void => {
  const attempts = sight.headers.get('x-apiproxy-attempts')
  const provider = sight.headers.get('x-apiproxy-provider') ?? '-'
  const what =
    sight.error === null ? `${sight.status} ${provider}` : `${sight.status} ${String(sight.error.code)}`
  const key = `${cell.fault}|${cell.mode}|${cell.setup}`
  // How often it was tried depends on what else happened at that moment; what the client saw must not.
  const known = results.get(key)
  if (known === undefined) results.set(key, `${what} (${attempts})`)
  else if (!known.startsWith(`${what} (`)) results.set(key, `${known} / ${what} (${attempts})`)
}

/** Asked a few at a time: each takes a moment, and most of it is waiting. */
async function each(some: readonly Cell[], check: (cell: Cell, sight: Sight) => void): Promise<void> {
  const queue = [...some]
  const worker = async (): Promise<void> => {
    for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
      // What one cell has taught about the providers must not decide another.
      gateway.forgive()
      const sight = await ask(cell)
      told(cell, sight)
      try {
        check(cell, sight)
      } catch (error) {
        throw new Error(
          `${cell.fault}, ${cell.mode} by ${cell.client}, ${cell.setup}: ${JSON.stringify(sight)}`,
          { cause: error },
        )
      }
    }
  }
  await Promise.all(Array.from({ length: 24 }, worker))
}

const requestsTo = (name: string, { model }: Cell): number =>
  fake(name).requests.filter((request) => request.model === model).length

describe('a fault before the first word', () => {
  const early = cells.filter(({ fault }) => fault in EARLY_FAULTS)

  test('is never seen while a healthy candidate exists', async () => {
    const some = early.filter(({ setup }) => setup !== 'all')
    await each(some, (cell, sight) => {
      expect(sight).toMatchObject({ status: 200, said: GOOD_ANSWER, isComplete: true, error: null })
      expect(sight.ids.size).toBe(1)
      expect(sight.headers.get('x-apiproxy-provider')).toBe('good')
      // The fault did happen, at every provider that has it.
      for (const name of FAULTY[cell.where].slice(0, cell.setup === 'first' ? 1 : 2)) {
        if (cell.where === 'told') expect(requestsTo(name, cell)).toBeGreaterThan(0)
        expect(
          gateway.attempts.filter(
            ({ deployment, outcome }) => deployment.id === `${name}/${cell.model}` && outcome !== 'success',
          ),
        ).toHaveLength(1)
      }
      expect(requestsTo('good', cell)).toBe(1)
    })
    expect(some.length).toBeGreaterThan(250)
  }, 60_000)

  test('of every candidate is an error that says what it is, with its true status', async () => {
    const some = early.filter(({ setup }) => setup === 'all')
    await each(some, (cell, sight) => {
      const { [cell.mode]: expected } = EARLY_FAULTS[cell.fault] as EarlyFault
      const [status, code] = expected ?? [0, '']
      expect([sight.status, sight.error?.code]).toEqual([status, code])
      expect(sight).toMatchObject({
        said: '',
        isComplete: false,
        error: { message: expect.any(String), type: expect.any(String) },
      })
      expect(sight.ids.size).toBe(0)
      const { headers } = sight
      expect(headers.get('x-request-id')).toMatch(/^req_/)
      expect(headers.get('content-type')).toMatch(/^application\/json/)
      // Waiting helps against these two; for the rest all that could be tried was tried.
      expect(headers.get('x-should-retry')).toBe(status === 429 || status === 503 ? null : 'false')
      // Who is at a limit is not asked by the next request at the same moment: it may find one of them so.
      const least = status === 503 || status === 429 ? 1 : 2
      expect(Number(headers.get('x-apiproxy-attempts'))).toBeGreaterThanOrEqual(least)
      if (status === 429)
        expect(headers.get('retry-after')).toBe(cell.fault.includes('Retry-After') ? '7' : '5')
    })
    expect(some.length).toBeGreaterThan(120)
  }, 60_000)
})

describe('a fault after the first word', () => {
  const late = cells.filter(({ fault }) => fault in LATE_FAULTS)

  test('ends the answer with an error, and nobody goes on with it', async () => {
    await each(late, (cell, sight) => {
      expect(sight.status === 200 || cell.client === 'sdk').toBe(true)
      expect(sight.said).toMatch(/^(bad )+$/)
      expect(sight.isComplete).toBe(false)
      expect(sight.ids.size).toBe(1)
      expect(sight.error?.code).toBe(LATE_FAULTS[cell.fault]?.code)
      expect(requestsTo('good', cell)).toBe(0)
    })
    for (const { model } of late) {
      expect(gateway.attempts.find(({ deployment }) => deployment.id === `bad/${model}`)?.outcome).toBe('cut')
    }
  }, 60_000)
})

test('all faults in a table', () => {
  const row = (name: string, columns: readonly string[]): string =>
    [name.padEnd(32), ...columns.map((column) => column.padEnd(36))].join(' ').trimEnd()
  const lines = [row('fault (of the first / of all)', ['JSON', 'JSON, all', 'SSE', 'SSE, all'])]
  for (const fault of [...Object.keys(EARLY_FAULTS), ...Object.keys(LATE_FAULTS)]) {
    lines.push(
      row(
        fault,
        MODES.flatMap((mode) =>
          ['first', 'all'].map((setup) => results.get(`${fault}|${mode}|${setup}`) ?? '-'),
        ),
      ),
    )
  }
  process.stdout.write(`\n${lines.join('\n')}\n\n`)
  expect([...results.values()].filter((text) => text.includes(' / '))).toEqual([])
})
