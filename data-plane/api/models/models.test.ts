import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FakeProvider } from '#test/fakes/provider.ts'
import { Gateway, KEY } from '#test/integration/gateway.ts'

let provider: FakeProvider
let gateway: Gateway
beforeAll(async () => {
  provider = await FakeProvider.start()
  gateway = await Gateway.start({
    providers: {
      a: {
        baseUrl: provider.baseUrl,
        definition: { models: { static: ['gpt-4o', 'vendor/m', 'text-embedding-3-small'] } },
      },
    },
    models: { fast: ['a/gpt-4o'] },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

const IDS = ['fast', 'gpt-4o', 'text-embedding-3-small', 'vendor/m']

async function get(path: string, headers: Readonly<Record<string, string>> = {}) {
  const answer = await fetch(`http://127.0.0.1:${gateway.port}${path}`, {
    headers: { authorization: `Bearer ${KEY}`, ...headers },
  })
  const text = await answer.text()
  return {
    status: answer.status,
    etag: answer.headers.get('etag') ?? '',
    body: text === '' ? null : JSON.parse(text),
  }
}
const idsOf = (body: { data: { id: string }[] }) => body.data.map(({ id }) => id)
const namesOf = (body: { models: { name: string }[] }) => body.models.map(({ name }) => name)

const ANTHROPIC = { 'anthropic-version': '2023-06-01' }
const GEMINI = { 'x-goog-api-client': 'google-genai-sdk/1.0' }

describe('the list', () => {
  test.each(['/v1/models', '/models'])(
    'at %s is OpenAI’s unless the headers say whose client asks',
    async (path) => {
      const openai = (await get(path)).body
      expect([openai.object, idsOf(openai)]).toEqual(['list', IDS])
      const anthropic = (await get(path, ANTHROPIC)).body
      expect([idsOf(anthropic), anthropic.has_more]).toEqual([IDS, false])
      const gemini = (await get(path, GEMINI)).body
      expect(namesOf(gemini)).toEqual(IDS.map((id) => `models/${id}`))
      expect(namesOf((await get(`${path}?key=${KEY}`)).body)).toEqual(namesOf(gemini))
    },
  )

  test('under Gemini’s own prefix is Gemini’s', async () => {
    const { body } = await get('/v1beta/models')
    expect(body.models[1]).toEqual({
      name: 'models/gpt-4o',
      version: '001',
      displayName: 'gpt-4o',
      inputTokenLimit: 128_000,
      outputTokenLimit: 16_384,
      supportedGenerationMethods: ['generateContent', 'countTokens'],
    })
    expect(body.models[2].supportedGenerationMethods).toEqual(['embedContent', 'batchEmbedContents'])
  })

  test('has a tag of its own in each shape, and is not sent again to who has it', async () => {
    const answers = [await get('/v1/models'), await get('/v1/models', ANTHROPIC), await get('/v1beta/models')]
    expect(new Set(answers.map(({ etag }) => etag)).size).toBe(3)
    const again = await get('/v1/models', { ...ANTHROPIC, 'if-none-match': answers[1]?.etag ?? '' })
    expect([again.status, again.body]).toEqual([304, null])
    expect((await get('/v1/models', { 'if-none-match': answers[1]?.etag ?? '' })).status).toBe(200)
  })

  test('asks no provider and is for nobody without a key', async () => {
    expect((await get('/v1beta/models', { authorization: 'Bearer nobody' })).status).toBe(401)
    expect(provider.stats.requests).toBe(0)
  })
})

describe('a page', () => {
  test('of Anthropic’s list goes on after a model, and back before one', async () => {
    const page = async (query: string) => {
      const { body } = await get(`/v1/models?${query}`, ANTHROPIC)
      return [idsOf(body), body.has_more, body.first_id, body.last_id]
    }
    expect(await page('limit=3')).toEqual([IDS.slice(0, 3), true, 'fast', 'text-embedding-3-small'])
    expect(await page('limit=3&after_id=text-embedding-3-small')).toEqual([
      ['vendor/m'],
      false,
      'vendor/m',
      'vendor/m',
    ])
    expect(await page('limit=2&before_id=vendor/m')).toEqual([
      IDS.slice(1, 3),
      true,
      'gpt-4o',
      'text-embedding-3-small',
    ])
    expect(await page('after_id=zzz')).toEqual([[], false, null, null])
  })

  test('of Gemini’s list names the next one', async () => {
    const found: string[] = []
    let token = ''
    for (let pages = 0; pages < 10; pages++) {
      const { body } = await get(`/v1beta/models?pageSize=3&pageToken=${token}`)
      found.push(...namesOf(body))
      token = body.nextPageToken ?? ''
      if (token === '') break
    }
    expect(found).toEqual(IDS.map((id) => `models/${id}`))
  })

  test.each([
    ['/v1/models?limit=0', ANTHROPIC],
    ['/v1/models?limit=many', ANTHROPIC],
    ['/v1beta/models?pageSize=1001', {}],
  ])('of no sensible size is refused: %s', async (path, headers) => {
    const { status, body } = await get(path, headers)
    expect([status, JSON.stringify(body).includes('whole number')]).toEqual([400, true])
  })
})

describe('one model', () => {
  test('is found by its id, slashes and all, in the caller’s shape', async () => {
    expect((await get('/v1/models/vendor/m')).body).toMatchObject({ id: 'vendor/m', object: 'model' })
    expect((await get('/v1/models/vendor%2Fm')).body.id).toBe('vendor/m')
    expect((await get('/v1/models/fast', ANTHROPIC)).body).toEqual({
      type: 'model',
      id: 'fast',
      display_name: 'fast',
      created_at: '2023-11-14T22:13:20.000Z',
      max_input_tokens: 128_000,
      max_tokens: 16_384,
    })
    for (const path of ['/v1beta/models/vendor/m', '/v1beta/models/models/vendor/m'])
      expect((await get(path)).body.name).toBe('models/vendor/m')
  })

  test('that is none is not found', async () => {
    for (const headers of [{}, ANTHROPIC, GEMINI])
      expect((await get('/v1/models/nobody/has-it', headers)).status).toBe(404)
  })
})

describe('LiteLLM’s model info', () => {
  test.each(['/v1/model/info', '/model/info'])('is at %s, with what its clients read', async (path) => {
    const { body } = await get(path)
    expect(body.data.map(({ model_name }: { model_name: string }) => model_name)).toEqual(IDS)
    expect(body.data[1]).toMatchObject({
      model_name: 'gpt-4o',
      litellm_params: { model: 'gpt-4o' },
      model_info: {
        mode: 'chat',
        max_tokens: 16_384,
        max_input_tokens: 128_000,
        max_output_tokens: 16_384,
        input_cost_per_token: 0.0000025,
        output_cost_per_token: 0.00001,
        supports_vision: true,
        supports_prompt_caching: true,
        supports_reasoning: false,
      },
    })
    expect(body.data[3].model_info).toMatchObject({
      max_tokens: null,
      input_cost_per_token: null,
      supports_vision: false,
    })
  })
})
