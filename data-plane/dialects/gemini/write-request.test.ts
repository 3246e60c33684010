import { describe, expect, it } from 'vitest'
import { call, LATEST, model, result, text, user, write } from '#test/conformance/gemini-requests.ts'

describe('parameters', () => {
  it('have Gemini’s names, the static ones first and the conversation last', () => {
    const { body, warned } = write({
      params: {
        maxTokens: 100,
        temperature: 0.5,
        topP: 0.9,
        topK: 5,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        seed: 7,
        n: 2,
        stop: ['a'],
        topLogprobs: 3,
        serviceTier: 'flex',
        endUser: 'u',
        cacheKey: 'k',
        metadata: { a: 'b' },
        store: false,
      },
      system: [{ text: 'be brief', role: 'developer' }],
      tools: [{ kind: 'function', name: 'f' }],
      toolChoice: { kind: 'required' },
    })
    expect(body['generationConfig']).toEqual({
      maxOutputTokens: 100,
      temperature: 0.5,
      topP: 0.9,
      topK: 5,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      seed: 7,
      candidateCount: 2,
      stopSequences: ['a'],
      responseLogprobs: true,
      logprobs: 3,
    })
    expect(Object.keys(body)).toEqual([
      'generationConfig',
      'serviceTier',
      'tools',
      'toolConfig',
      'systemInstruction',
      'contents',
    ])
    expect(warned).toEqual([])
  })

  it('that it has not are told, or refused where the answer would be another', () => {
    const { warned, config } = write(
      {
        params: {
          maxTokens: 100_000,
          temperature: 3,
          logitBias: { 5: 1 },
          verbosity: 'low',
          stop: ['1', '2', '3', '4', '5', '6'],
          serviceTier: 'scale',
          store: true,
        },
        parallelTools: false,
      },
      'gemini-2.0-flash',
    )
    expect(warned.toSorted()).toEqual(
      [
        'params.maxTokens:clamped',
        'params.temperature:clamped',
        'params.stop:clamped',
        'params.logitBias:refused',
        'params.verbosity:unsupported',
        'parallelTools:unsupported',
        'params.serviceTier:unsupported',
        'params.store:unsupported',
      ].toSorted(),
    )
    expect(config).toMatchObject({ maxOutputTokens: 8_192, temperature: 2 })
  })

  it('of sampling are left out where the model fixes them', () => {
    const { config, warned } = write({ params: { temperature: 1, topK: 3 } }, 'gemini-4-hydrogen')
    expect(config).toEqual({})
    expect(warned).toEqual(['params.temperature:unsupported', 'params.topK:unsupported'])
  })

  it('nobody gave are not made up', () => {
    expect(Object.keys(write({}).body)).toEqual(['contents'])
  })

  it('of another dialect are told, refused or left out as their reader said', () => {
    const { warned } = write({
      extras: [
        { path: 'a', value: 1, cross: 'warn' },
        { path: 'b', value: 1, cross: 'refuse' },
        { path: 'c', value: 1, cross: 'silent' },
      ],
    })
    expect(warned).toEqual(['a:unsupported', 'b:refused'])
  })

  it('of its own dialect go back to where they were', () => {
    const { body, warned } = write({
      dialect: 'gemini',
      extras: [
        { path: 'safetySettings', value: [{ a: 1 }], cross: 'refuse' },
        { path: 'generationConfig.speechConfig', value: { b: 1 }, cross: 'refuse' },
        { path: 'toolConfig.retrievalConfig', value: { c: 1 }, cross: 'warn' },
      ],
    })
    expect(body).toMatchObject({
      safetySettings: [{ a: 1 }],
      generationConfig: { speechConfig: { b: 1 } },
      toolConfig: { retrievalConfig: { c: 1 } },
    })
    expect(warned).toEqual([])
  })
})

describe('thinking', () => {
  it.each([
    // Levels from 3 on.
    [LATEST, { effort: 'none' }, { thinkingLevel: 'MINIMAL' }, ['reasoning.effort:degraded']],
    [LATEST, { effort: 'minimal' }, { thinkingLevel: 'MINIMAL' }, []],
    [LATEST, { effort: 'medium' }, { thinkingLevel: 'MEDIUM' }, []],
    [LATEST, { effort: 'max' }, { thinkingLevel: 'HIGH' }, ['reasoning.effort:degraded']],
    [LATEST, { budget: 8_192 }, { thinkingLevel: 'MEDIUM' }, []],
    [LATEST, { budget: -1 }, undefined, []],
    [LATEST, { adaptive: true }, undefined, []],
    [LATEST, { adaptive: true, show: 'auto' }, { includeThoughts: true }, []],
    [LATEST, { effort: 'low', show: 'none' }, { thinkingLevel: 'LOW', includeThoughts: false }, []],
    ['gemini-4-hydrogen', { effort: 'xhigh' }, { thinkingLevel: 'XHIGH' }, []],
    // Budgets in 2.5.
    ['gemini-2.5-flash', { effort: 'none' }, { thinkingBudget: 0 }, []],
    ['gemini-2.5-flash', { effort: 'minimal' }, { thinkingBudget: 1_311 }, []],
    ['gemini-2.5-flash', { effort: 'medium' }, { thinkingBudget: 19_661 }, []],
    ['gemini-2.5-flash', { effort: 'high' }, { thinkingBudget: 24_576 }, []],
    ['gemini-2.5-flash', { budget: 5_000 }, { thinkingBudget: 5_000 }, []],
    ['gemini-2.5-flash', { budget: 99_000 }, { thinkingBudget: 24_576 }, []],
    ['gemini-2.5-flash', { adaptive: true }, { thinkingBudget: -1 }, []],
    ['gemini-2.5-flash-lite', { budget: 100 }, { thinkingBudget: 512 }, []],
    ['gemini-2.5-pro', { effort: 'none' }, { thinkingBudget: 128 }, ['reasoning.effort:degraded']],
    ['gemini-2.5-pro', { budget: 0 }, { thinkingBudget: 128 }, ['reasoning.effort:degraded']],
    ['gemini-2.5-pro', { budget: -1 }, { thinkingBudget: -1 }, []],
    // None before.
    ['gemini-2.0-flash', { effort: 'high', show: 'auto' }, undefined, ['reasoning.effort:unsupported']],
    ['gemini-2.0-flash', { effort: 'none' }, undefined, []],
  ] as const)('of %s for %o is %o', (name, reasoning, config, losses) => {
    const written = write({ reasoning }, name)
    expect(written.config['thinkingConfig']).toEqual(config)
    expect(written.warned).toEqual(losses)
  })

  it('of a budget stays within a small cap', () => {
    const { config } = write(
      { reasoning: { effort: 'high' }, params: { maxTokens: 4_000 } },
      'gemini-2.5-pro',
    )
    expect(config['thinkingConfig']).toEqual({ thinkingBudget: 2_400 })
  })
})

describe('output', () => {
  const schema = { $schema: 'x', type: 'object', properties: { a: { const: 1 } } }

  it('is JSON, or JSON by a schema', () => {
    expect(write({ format: { kind: 'json' } }).config).toEqual({ responseMimeType: 'application/json' })
    expect(write({ format: { kind: 'schema', name: 'x', schema, strict: true } }).config).toEqual({
      responseMimeType: 'application/json',
      responseJsonSchema: { type: 'object', properties: { a: { enum: [1] } } },
    })
  })

  it('by a schema beside functions is asked for in words before Gemini 3', () => {
    const request = {
      format: { kind: 'schema', schema } as const,
      tools: [{ kind: 'function', name: 'f' } as const],
    }
    expect(write(request).config).toHaveProperty('responseJsonSchema')
    const { config, body, warned } = write(request, 'gemini-2.5-flash')
    expect(config).toEqual({})
    expect(JSON.stringify(body['systemInstruction'])).toContain('JSON Schema')
    expect(warned).toEqual(['format:degraded'])
  })
})

describe('tools', () => {
  it('stand in one object, schemas as JSON Schema, free-form ones as functions of one text', () => {
    const { body, warned } = write({
      tools: [
        { kind: 'function', name: 'f', description: 'F', parameters: { type: 'object' }, strict: true },
        { kind: 'function', name: 'g' },
        { kind: 'custom', name: 'h', format: { type: 'grammar' } },
        { kind: 'web-search', dialect: 'anthropic', value: { type: 'web_search_20260209', max_uses: 3 } },
      ],
    })
    expect(body['tools']).toEqual([
      {
        functionDeclarations: [
          { name: 'f', description: 'F', parametersJsonSchema: { type: 'object' } },
          { name: 'g' },
          {
            name: 'h',
            parametersJsonSchema: {
              type: 'object',
              properties: { input: { type: 'string' } },
              required: ['input'],
              additionalProperties: false,
            },
          },
        ],
      },
      { googleSearch: {} },
    ])
    expect(body['toolConfig']).toBeUndefined()
    expect(warned).toEqual(['tools[2].format:degraded', 'tools[3]:degraded'])
  })

  it.each([
    [{ kind: 'auto' }, { mode: 'AUTO' }],
    [{ kind: 'none' }, { mode: 'NONE' }],
    [{ kind: 'required' }, { mode: 'ANY' }],
    [
      { kind: 'one', name: 'f', isCustom: false },
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
    [
      { kind: 'subset', names: ['f'], mode: 'required' },
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
    // Never with AUTO.
    [
      { kind: 'subset', names: ['f'], mode: 'auto' },
      { mode: 'VALIDATED', allowedFunctionNames: ['f'] },
    ],
  ] as const)('choice %o is %o', (toolChoice, config) => {
    const { body, warned } = write({ toolChoice, tools: [{ kind: 'function', name: 'f' }] })
    expect(body['toolConfig']).toEqual({ functionCallingConfig: config })
    // Tools stay, also when none may be called: the history may hold calls.
    expect(body['tools']).toHaveLength(1)
    expect(warned).toEqual([])
  })

  it('stay validated for a client that asked so', () => {
    const tools = [{ kind: 'function', name: 'f', strict: true }] as const
    const { body } = write({ dialect: 'gemini', tools, toolChoice: { kind: 'auto' } })
    expect(body['toolConfig']).toEqual({ functionCallingConfig: { mode: 'VALIDATED' } })
  })

  it('forced where the model cannot be are left to it', () => {
    const { body, warned } = write(
      { toolChoice: { kind: 'required' }, tools: [{ kind: 'function', name: 'f' }] },
      LATEST,
      { forcedToolChoice: false },
    )
    expect(body['toolConfig']).toEqual({ functionCallingConfig: { mode: 'AUTO' } })
    expect(warned).toEqual(['toolChoice:degraded'])
  })

  it('with names that do not fit get others, in declarations, calls, results and choice', () => {
    const { body, toolNames } = write({
      tools: [{ kind: 'function', name: '1 bad/name' }],
      toolChoice: { kind: 'one', name: '1 bad/name', isCustom: false },
      turns: [user(text('x')), model(call('c', '1 bad/name')), user(result('c', 'y'))],
    })
    const [[sent, was] = ['', '']] = toolNames
    expect(was).toBe('1 bad/name')
    expect(sent).toMatch(/^[A-Za-z_][A-Za-z0-9_.:-]*$/)
    expect(JSON.stringify(body).split(JSON.stringify(sent))).toHaveLength(5)
    expect(JSON.stringify(body)).not.toContain('bad/name')
  })

  it('of another vendor are refused', () => {
    const value = { type: 'computer' }
    const tools = [{ kind: 'native', dialect: 'anthropic', type: 'computer', value }] as const
    expect(write({ tools }).warned).toEqual(['tools[0]:refused'])
  })
})
