/**
 * What the conformance page tries: every client SDK over every upstream dialect, scenario by scenario, with real
 * requests through a gateway on a port. A scenario throws with what is wrong.
 */
import { isDeepStrictEqual } from 'node:util'
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import { Gateway, KEY } from '../../integration/gateway.ts'
import { converse } from '../loops/conversation.ts'
import { say } from '../loops/said.ts'
import { SDKS } from '../sdk/sdks.ts'
import type { SdkName, Told } from '../sdk/told.ts'
import type { Answer, Upstream } from '../upstream.ts'
import { PDF, PNG, RICH, TOOL, type Wish } from './rich.ts'

export type Given = Readonly<{
  sdk: SdkName
  dialect: DialectName
  upstream: Upstream
  gateway: Gateway
  origin: string
  /** A name of its own at the upstream, and as the client writes it. */
  model: string
  pinned: string
}>

/** @returns false: this SDK has no such call, or this upstream cannot. */
type Scenario = (given: Given) => Promise<false | void>

class Wrong extends Error {}
function check(isRight: boolean, what: string): void {
  if (!isRight) throw new Wrong(what)
}

const asks = (given: Given, stream: boolean): Promise<Told> =>
  SDKS[given.sdk].open(given.origin, KEY).ask(given.pinned, stream)

const text =
  (stream: boolean): Scenario =>
  async (given) => {
    given.upstream.script(given.model, (sent) => say(given.dialect, { text: 'Hello, world.' }, sent.stream))
    const told = await asks(given, stream)
    const expected = { text: 'Hello, world.', finish: 'stop', input: 100, output: 50, thought: 20 }
    const { input, output, reasoning } = told.usage ?? { input: 0, output: 0, reasoning: 0 }
    // Anthropic's upstream does not count what was thought apart.
    const thought = given.dialect === 'anthropic' ? 20 : reasoning
    const heard = { text: told.text, finish: told.finish, input, output, thought }
    check(isDeepStrictEqual(heard, expected), JSON.stringify(heard))
  }

const cutShort: Scenario = async (given) => {
  for (const [finish, expected] of [
    ['length', 'length'],
    ['filter', 'filter'],
  ] as const) {
    for (const stream of [false, true]) {
      given.upstream.script(given.model, (sent) =>
        say(given.dialect, { text: 'Hello,', finish }, sent.stream),
      )
      const told = await asks(given, stream)
      check(told.finish === expected && told.text === 'Hello,', `${finish}: ${JSON.stringify(told)}`)
    }
  }
}

const loop =
  (stream: boolean): Scenario =>
  async ({ sdk, dialect, upstream, origin }) => {
    const { told, histories, expected } = await converse(upstream, origin, { sdk, dialect, stream })
    check(told === expected.told, `said ${JSON.stringify(told)}`)
    check(isDeepStrictEqual(histories, expected.histories), JSON.stringify(histories))
  }

const wish =
  (what: Wish, mustHold: string): Scenario =>
  async (given) => {
    const { dialect, upstream, sdk, origin, model, pinned } = given
    const calls = [{ id: 'call_1', name: TOOL, args: { population: 7 } }]
    const said = what === 'forced tool' ? { calls } : { text: '{"population":7}' }
    // The AI SDK asks some models for a schema by a tool of its own name.
    upstream.script(model, (sent) => {
      const isByTool = sent.bytes.includes('"name":"json"')
      const byTool = { calls: [{ id: 'call_1', name: 'json', args: { population: 7 } }] }
      return say(dialect, isByTool ? byTool : said, sent.stream)
    })
    const heard = await RICH[sdk](origin, KEY, pinned).ask(what)
    const sent = upstream.lastFor(model).bytes.toString()
    check(sent.includes(mustHold), `the upstream was not sent it: ${sent.slice(0, 300)}`)
    check(heard.includes('population'), `heard ${heard}`)
  }

const forced: Scenario = async (given) => {
  await wish('forced tool', TOOL)(given)
  const { tool_choice: choice, toolConfig: config } = given.upstream.lastFor(given.model).body
  check(
    JSON.stringify(choice ?? config ?? '').includes(TOOL),
    `forced by ${JSON.stringify(choice ?? config)}`,
  )
}

const ERRORS: Readonly<Record<DialectName, (status: number) => object>> = {
  'openai-chat': (status) => ({ error: { message: 'As told.', type: 'some_error', code: `${status}` } }),
  'openai-responses': (status) => ({ error: { message: 'As told.', type: 'some_error', code: `${status}` } }),
  anthropic: () => ({ type: 'error', error: { type: 'some_error', message: 'As told.' } }),
  gemini: (code) => ({ error: { code, message: 'As told.', status: 'SOME_STATUS' } }),
}

/** The client's own mistakes keep their status and words; a provider's become ours. */
const error =
  (status: number, expected: readonly number[]): Scenario =>
  async (given) => {
    for (const stream of [false, true]) {
      // What is learned about a provider's failures must not concern the next scenario.
      await using gateway = await Gateway.start({ providers: given.upstream.providers })
      const body = JSON.stringify(ERRORS[given.dialect](status))
      const answer: Answer = { status, text: body, stream: false }
      given.upstream.script(given.model, () => answer)
      const sdk = SDKS[given.sdk].open(`http://127.0.0.1:${gateway.port}`, KEY)
      const failure = await sdk.ask(given.pinned, stream).then(
        () => null,
        (thrown: unknown) => thrown,
      )
      const said = failure as { status?: number; statusCode?: number; message?: string } | null
      const heard = said?.status ?? said?.statusCode ?? 0
      check(expected.includes(heard), `status ${heard} of ${String(failure)}`)
      if (status === 400) check(String(said?.message).includes('As told.'), String(failure))
    }
  }

const countTokens: Scenario = async ({ sdk, dialect, upstream, origin, model, pinned }) => {
  const count = RICH[sdk](origin, KEY, pinned).countTokens
  if (count === undefined) return false
  // Chat upstreams cannot count: then it is an estimate.
  const answers = { input_tokens: 12, object: 'response.input_tokens', totalTokens: 12 }
  upstream.script(model, () => ({ text: JSON.stringify(answers), stream: false }))
  const counted = await count()
  check(dialect === 'openai-chat' ? counted > 0 : counted === 12, `${counted}`)
}

const embed: Scenario = async ({ sdk, dialect, upstream, origin, model, pinned }) => {
  const embedding = RICH[sdk](origin, KEY, pinned).embed
  if (embedding === undefined || dialect === 'anthropic') return false
  const vector = [0.5, -0.25, 1]
  upstream.script(model, ({ path, body }) => {
    const base64 = Buffer.from(new Float32Array(vector).buffer).toString('base64')
    const encoded = body['encoding_format'] === 'base64' ? base64 : vector
    const data = [{ object: 'embedding', index: 0, embedding: encoded }]
    const usage = { prompt_tokens: 1, total_tokens: 1 }
    const answer = path.includes(':batchEmbedContents')
      ? { embeddings: [{ values: vector }] }
      : path.includes(':embedContent')
        ? { embedding: { values: vector } }
        : { object: 'list', data, model: 'model', usage }
    return { text: JSON.stringify(answer), stream: false }
  })
  const heard = await embedding()
  check(isDeepStrictEqual([...heard], vector), JSON.stringify(heard))
}

const models: Scenario = async ({ sdk, dialect, origin, pinned }) => {
  const list = RICH[sdk](origin, KEY, pinned).models
  if (list === undefined) return false
  const names = await list()
  check(
    names.some((name) => name.endsWith(`listed-${dialect}`)),
    JSON.stringify(names),
  )
}

export const SCENARIOS: readonly Readonly<{ name: string; run: Scenario }>[] = [
  { name: 'text', run: text(false) },
  { name: 'text, streaming', run: text(true) },
  { name: 'parallel tools and reasoning, several turns', run: loop(false) },
  { name: 'the same, streaming', run: loop(true) },
  { name: 'forced tool', run: forced },
  { name: 'structured output', run: wish('schema', 'population') },
  { name: 'image', run: wish('image', PNG) },
  { name: 'document', run: wish('document', PDF) },
  { name: 'cut short, filtered', run: cutShort },
  { name: 'error 400', run: error(400, [400]) },
  { name: 'error 401 of the provider', run: error(401, [500, 502, 503]) },
  { name: 'error 429', run: error(429, [429]) },
  { name: 'error 500', run: error(500, [500, 502, 503]) },
  { name: 'token count', run: countTokens },
  { name: 'embeddings', run: embed },
  { name: 'model list', run: models },
]
