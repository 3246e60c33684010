import { describe, expect, it } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { readContext } from '#test/conformance/contexts.ts'
import type { Carrier } from '../canonical/carrier.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { CanonicalRequest, Part } from '../canonical/request.ts'
import { readRequest } from './read-request.ts'

const CONTENTS = [{ role: 'user', parts: [{ text: 'hi' }] }]

function read(body: JsonObject): CanonicalRequest {
  const result = readRequest({ contents: CONTENTS, ...body }, readContext())
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

const parts = (...given: JsonValue[]): readonly Part[] =>
  read({ contents: [{ role: 'model', parts: given }] }).turns[0]?.parts ?? []

describe('fields', () => {
  it('are taken in either spelling', () => {
    const snake = read({
      system_instruction: { parts: [{ text: 'be brief' }] },
      generation_config: {
        max_output_tokens: 5,
        top_p: 0.5,
        stop_sequences: ['x'],
        response_logprobs: true,
        logprobs: 2,
        thinking_config: { thinking_budget: 100, include_thoughts: true },
      },
      tools: { function_declarations: [{ name: 'f', parameters_json_schema: { type: 'object' } }] },
      tool_config: { function_calling_config: { mode: 'ANY', allowed_function_names: ['f'] } },
      service_tier: 'standard',
    })
    const { source: _, ...camel } = read({
      systemInstruction: 'be brief',
      generationConfig: {
        maxOutputTokens: 5,
        topP: 0.5,
        stopSequences: ['x'],
        responseLogprobs: true,
        logprobs: 2,
        thinkingConfig: { thinkingBudget: 100, includeThoughts: true },
      },
      tools: [{ functionDeclarations: [{ name: 'f', parametersJsonSchema: { type: 'object' } }] }],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
      serviceTier: 'STANDARD',
    })
    expect(snake).toMatchObject(camel)
    expect(camel).toMatchObject({
      system: [{ text: 'be brief', role: 'system' }],
      params: { maxTokens: 5, topP: 0.5, stop: ['x'], topLogprobs: 2, serviceTier: 'default' },
      reasoning: { budget: 100, show: 'auto' },
      toolChoice: { kind: 'one', name: 'f', isCustom: false },
      telling: { reasoning: true },
      extras: [],
    })
  })

  it.each([
    ['text', 'a'],
    ['a content', { role: 'user', parts: [{ text: 'a' }] }],
    ['a part', { text: 'a' }],
    ['a list of parts', [{ text: 'a' }]],
    ['a list of texts', ['a']],
  ])('instructions may be %s', (_what, systemInstruction) => {
    expect(read({ systemInstruction }).system).toEqual([{ text: 'a', role: 'system' }])
  })

  it.each([
    ['AUTO', [], { kind: 'auto' }],
    ['NONE', [], { kind: 'none' }],
    ['ANY', [], { kind: 'required' }],
    ['ANY', ['f'], { kind: 'one', name: 'f', isCustom: false }],
    ['ANY', ['f', 'g'], { kind: 'subset', names: ['f', 'g'], mode: 'required' }],
    ['VALIDATED', ['f'], { kind: 'subset', names: ['f'], mode: 'auto' }],
    ['VALIDATED', [], { kind: 'auto' }],
    ['MODE_UNSPECIFIED', [], undefined],
  ])('calling mode %s of %j is read', (mode, allowedFunctionNames, choice) => {
    const tools = [{ functionDeclarations: [{ name: 'f' }, { name: 'g' }] }]
    const request = read({ tools, toolConfig: { functionCallingConfig: { mode, allowedFunctionNames } } })
    expect(request.toolChoice).toEqual(choice)
    expect(request.tools.every((tool) => 'strict' in tool)).toBe(mode === 'VALIDATED')
  })

  it.each([
    [{ thinkingLevel: 'HIGH' }, { effort: 'high' }],
    [{ thinkingLevel: 'minimal' }, { effort: 'minimal' }],
    [{ thinkingBudget: -1 }, { budget: -1 }],
    [{ includeThoughts: false }, { show: 'none' }],
    [{ thinkingLevel: 'THINKING_LEVEL_UNSPECIFIED' }, undefined],
    [{}, undefined],
  ])('thinking %j is read', (thinkingConfig, wish) => {
    expect(read({ generationConfig: { thinkingConfig } }).reasoning).toEqual(wish)
  })

  it.each([
    [{ responseMimeType: 'application/json' }, { kind: 'json' }],
    [
      { responseMimeType: 'application/json', responseJsonSchema: { type: 'object' } },
      { kind: 'schema', schema: { type: 'object' } },
    ],
    [
      { responseMimeType: 'application/json', responseSchema: { type: 'STRING', nullable: true } },
      { kind: 'schema', schema: { type: ['string', 'null'] } },
    ],
    [{ responseMimeType: 'text/plain' }, undefined],
  ])('output %j is read', (generationConfig, format) => {
    const request = read({ generationConfig })
    expect(request.format).toEqual(format)
    expect(request.extras).toEqual([])
  })

  it('one candidate is not worth a word', () => {
    expect(read({ generationConfig: { candidateCount: 1 } }).params).toEqual({})
    expect(read({ generationConfig: { candidateCount: 2 } }).params).toEqual({ n: 2 })
  })

  it('that only Gemini has say what leaving them out means', () => {
    const { extras } = read({
      cachedContent: 'cachedContents/x',
      modelArmorConfig: {},
      somethingNew: 1,
      toolConfig: { retrievalConfig: { languageCode: 'de' } },
      generationConfig: {
        responseModalities: ['TEXT'],
        speechConfig: {},
        mediaResolution: 'MEDIA_RESOLUTION_LOW',
        responseMimeType: 'text/x.enum',
      },
    })
    expect(extras.map(({ path, cross }) => [path, cross])).toEqual([
      ['cachedContent', 'refuse'],
      ['modelArmorConfig', 'refuse'],
      ['somethingNew', 'warn'],
      ['toolConfig.retrievalConfig', 'warn'],
      ['generationConfig.responseModalities', 'silent'],
      ['generationConfig.speechConfig', 'refuse'],
      ['generationConfig.mediaResolution', 'warn'],
      ['generationConfig.responseMimeType', 'refuse'],
    ])
  })

  it('pictures or sound wanted cannot be left out', () => {
    const { extras } = read({ generationConfig: { responseModalities: ['TEXT', 'IMAGE'] } })
    expect(extras).toMatchObject([{ cross: 'refuse' }])
  })

  it.each([
    [[], []],
    [
      [
        { category: 'X', threshold: 'BLOCK_NONE' },
        { category: 'Y', threshold: 'OFF' },
      ],
      ['warn'],
    ],
    [[{ category: 'X', threshold: 'BLOCK_ONLY_HIGH' }], ['refuse']],
  ])('safety settings %j are refused elsewhere only if they protect', (safetySettings, cross) => {
    expect(read({ safetySettings }).extras.map((extra) => extra.cross)).toEqual(cross)
  })

  it('server tools stay what they are, and search is the one all have', () => {
    expect(read({ tools: [{ google_search: {} }, { codeExecution: {}, urlContext: {} }] }).tools).toEqual([
      { kind: 'web-search', dialect: 'gemini', value: { googleSearch: {} } },
      { kind: 'native', dialect: 'gemini', type: 'codeExecution', value: { codeExecution: {} } },
      { kind: 'native', dialect: 'gemini', type: 'urlContext', value: { urlContext: {} } },
    ])
  })

  it.each([
    [undefined, 'contents'],
    [[], 'contents'],
    [[{ role: 'assistant', parts: [] }], 'contents[0].role'],
  ])('contents %j are refused', (contents, param) => {
    expect(readRequest({ contents }, readContext())).toMatchObject({
      ok: false,
      error: { code: 'invalid_value', param },
    })
  })
})

describe('contents', () => {
  it.each([
    ['text', 'hi'],
    ['one content', { parts: [{ text: 'hi' }] }],
  ])('may be %s', (_what, contents) => {
    expect(read({ contents }).turns).toEqual([{ role: 'user', parts: [{ kind: 'text', text: 'hi' }] }])
  })

  it('media are told apart by where they are', () => {
    expect(
      parts(
        { inline_data: { mime_type: 'image/png', data: '-_-_' } },
        { fileData: { mimeType: 'video/mp4', fileUri: 'https://youtu.be/x' } },
        { fileData: { mimeType: 'application/pdf', fileUri: 'gs://bucket/x.pdf' } },
        { fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/abc' } },
        {
          inlineData: { mimeType: 'audio/wav', data: 'AAAA', displayName: 'a.wav' },
          mediaResolution: { level: 'MEDIA_RESOLUTION_LOW' },
        },
      ),
    ).toEqual([
      { kind: 'media', media: 'image', source: { kind: 'base64', data: '+/+/' }, mimeType: 'image/png' },
      {
        kind: 'media',
        media: 'video',
        source: { kind: 'url', url: 'https://youtu.be/x' },
        mimeType: 'video/mp4',
      },
      {
        kind: 'media',
        media: 'document',
        source: { kind: 'file', id: 'gs://bucket/x.pdf', dialect: 'gemini' },
        mimeType: 'application/pdf',
      },
      {
        kind: 'media',
        media: 'document',
        source: {
          kind: 'file',
          id: 'https://generativelanguage.googleapis.com/v1beta/files/abc',
          dialect: 'gemini',
        },
      },
      {
        kind: 'media',
        media: 'audio',
        source: { kind: 'base64', data: 'AAAA' },
        mimeType: 'audio/wav',
        filename: 'a.wav',
        detail: 'low',
      },
    ])
  })

  it('what only Gemini knows stays whole', () => {
    const code = { executableCode: { language: 'PYTHON', code: '1' }, thoughtSignature: 's' }
    const film = { fileData: { fileUri: 'https://x', mimeType: 'video/mp4' }, videoMetadata: { fps: 1 } }
    expect(parts(code, film)).toEqual([
      { kind: 'native', dialect: 'gemini', type: 'executableCode', value: code },
      { kind: 'native', dialect: 'gemini', type: 'fileData', value: film },
    ])
  })

  it('an answer kept chunk by chunk is one turn, its words and its signature joined', () => {
    const model = (...given: JsonObject[]) => ({ role: 'model', parts: given })
    const { turns } = read({
      contents: [
        ...CONTENTS,
        model({ text: 'I ', thought: true }),
        model({ text: 'think', thought: true }),
        model({ text: 'Hel' }),
        model({ text: 'lo' }),
        model({ text: '', thoughtSignature: 'sig' }),
        model({ text: 'more' }),
        model({ functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 'sig2' }),
      ],
    })
    expect(turns).toHaveLength(2)
    expect(turns[1]?.parts).toMatchObject([
      { kind: 'reasoning', text: 'I think', isSummary: true },
      { kind: 'text', text: 'Hello', carrier: { dialect: 'gemini', data: 'sig', provider: null } },
      { kind: 'text', text: 'more' },
      { kind: 'tool-call', name: 'f', args: '{"a":1}', carrier: { data: 'sig2' } },
    ])
  })

  it('texts of one content stay apart', () => {
    expect(parts({ text: 'a' }, { text: 'b' })).toHaveLength(2)
  })
})

describe('calls without ids', () => {
  const call = (name: string, id?: string) => ({ functionCall: { name, args: {}, ...(id ? { id } : {}) } })
  const result = (name: string, response: JsonObject, id?: string) => ({
    functionResponse: { name, response, ...(id ? { id } : {}) },
  })
  const idsOf = (contents: JsonValue) =>
    read({ contents }).turns.flatMap((turn) =>
      turn.parts.flatMap((part) =>
        part.kind === 'tool-call' ? [part.id] : part.kind === 'tool-result' ? [part.callId] : [],
      ),
    )

  it('get the same ones every time, and their results find them by name and order', () => {
    const contents = [
      ...CONTENTS,
      { role: 'model', parts: [call('f'), call('g'), call('f')] },
      { role: 'user', parts: [result('g', { a: 1 }), result('f', { b: 1 }), result('f', { c: 1 })] },
    ]
    const ids = idsOf(contents)
    const [f1, g, f2] = ids
    expect(new Set([f1, g, f2]).size).toBe(3)
    expect(ids.slice(3)).toEqual([g, f1, f2])
    expect(f1).toMatch(/^call_[a-z0-9]{24}$/)
    expect(idsOf([...contents, ...CONTENTS])).toEqual(ids)
  })

  it('keep those they have', () => {
    expect(
      idsOf([
        ...CONTENTS,
        { role: 'model', parts: [call('f', 'x'), call('f', 'y')] },
        { role: 'function', parts: [result('f', {}, 'y'), result('f', {}, 'x')] },
      ]),
    ).toEqual(['x', 'y', 'y', 'x'])
  })

  it.each([
    [{ output: 'sunny' }, 'sunny', false],
    [{ result: 'sunny' }, 'sunny', false],
    [{ error: 'no' }, 'no', true],
    [{ error: { code: 1 } }, '{"code":1}', true],
    [{ temperature: 3, wind: 'none' }, '{"temperature":3,"wind":"none"}', false],
    [{ output: '{"a":1}' }, '{"output":"{\\"a\\":1}"}', false],
    [{ output: 3 }, '{"output":3}', false],
  ])('result %j says %j', (response, text, isError) => {
    const [, , answer] = read({
      contents: [
        ...CONTENTS,
        { role: 'model', parts: [call('f')] },
        { role: 'user', parts: [result('f', response)] },
      ],
    }).turns
    expect(answer?.parts[0]).toMatchObject({ name: 'f', content: [{ kind: 'text', text }], isError })
  })

  it('a result may be media alone', () => {
    const part = {
      functionResponse: {
        name: 'f',
        response: {},
        parts: [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
      },
    }
    const [, , answer] = read({
      contents: [...CONTENTS, { role: 'model', parts: [call('f')] }, { role: 'user', parts: [part] }],
    }).turns
    expect(answer?.parts[0]).toMatchObject({ content: [{ kind: 'media', media: 'image' }] })
  })
})

describe('sealed state', () => {
  const claude: Carrier = {
    dialect: 'anthropic',
    provider: 'claude',
    data: 'sig',
    form: 'signature',
    of: 'own',
  }

  it('is opened where it stands', () => {
    expect(
      parts({ text: 'hm', thought: true, thoughtSignature: openSealer.seal(claude) }, { text: 'hello' }),
    ).toEqual([
      { kind: 'reasoning', text: 'hm', isSummary: true, carrier: claude },
      { kind: 'text', text: 'hello' },
    ])
  })

  it('brings back the words that the client was not shown', () => {
    const sealed = openSealer.seal({ ...claude, text: 'all I thought' })
    expect(parts({ text: '', thought: true, thoughtSignature: sealed })).toMatchObject([
      { kind: 'reasoning', text: 'all I thought' },
    ])
    // Also after the words came in pieces.
    const model = (part: JsonObject) => ({ role: 'model', parts: [part] })
    const { turns } = read({
      contents: [
        model({ text: 'all I ', thought: true }),
        model({ text: 'thought', thought: true }),
        model({ text: '', thought: true, thoughtSignature: sealed }),
      ],
    })
    expect(turns[0]?.parts).toMatchObject([{ text: 'all I thought', carrier: { data: 'sig' } }])
  })

  it('of the next part goes to it, and its place vanishes', () => {
    const sealed = openSealer.seal({ ...claude, of: 'next' })
    expect(parts({ text: '', thoughtSignature: sealed }, { functionCall: { name: 'f' } })).toMatchObject([
      { kind: 'tool-call', carrier: claude },
    ])
  })

  it('under a key we do not have is dropped, and the words stay', () => {
    expect(parts({ text: 'hm', thoughtSignature: 'apx1.k9.zzz' })).toEqual([{ kind: 'text', text: 'hm' }])
  })
})
