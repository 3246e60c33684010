import { describe, expect, it } from 'vitest'
import type { CapabilityOverrides } from '#contracts/catalog/capability.ts'
import { call, LATEST, model, result, text, user, write } from '#test/conformance/gemini-requests.ts'
import type { Carrier } from '../canonical/carrier.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { CanonicalRequest, Part, Turn } from '../canonical/request.ts'

describe('turns', () => {
  const contents = (turns: readonly Turn[], over: CapabilityOverrides = {}) => {
    const { body, warned } = write({ turns }, LATEST, { signedCalls: false, ...over })
    return { contents: body['contents'], warned }
  }

  it('calls and their results are in order, parallel ones in one turn, other words after', () => {
    const written = contents([
      user(text('x')),
      model(text('let me see'), call('a', 'f', '{"n": 1}'), call('b', 'g', '')),
      user(text('and?'), result('b', '{"w":"sunny"}')),
      user(result('a', 'fails', true)),
    ])
    expect(written.contents).toEqual([
      { role: 'user', parts: [{ text: 'x' }] },
      {
        role: 'model',
        parts: [
          { text: 'let me see' },
          { functionCall: { id: 'a', name: 'f', args: { n: 1 } } },
          { functionCall: { id: 'b', name: 'g', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'a', name: 'f', response: { error: 'fails' } } },
          { functionResponse: { id: 'b', name: 'g', response: { w: 'sunny' } } },
          { text: 'and?' },
        ],
      },
    ])
    expect(written.warned).toEqual([])
  })

  it('arguments go through as they were written', () => {
    const turns = [user(text('x')), model(call('a', 'f', '{"n": 12345678901234567890}'))]
    expect(write({ turns }).json).toContain('"args":{"n": 12345678901234567890}')
  })

  it('arguments that are no object are wrapped, and plain results too', () => {
    const written = contents([user(text('x')), model(call('a', 'f', '{"broken')), user(result('a', '[1,2]'))])
    expect(written.contents).toMatchObject([
      {},
      { parts: [{ functionCall: { args: { _raw: '{"broken' } } }] },
      { parts: [{ functionResponse: { response: { output: '[1,2]' } } }] },
    ])
    expect(written.warned).toEqual(['turns[1].parts[0]:degraded'])
  })

  it('a call nobody answered gets a result, and a result nobody called for goes', () => {
    const written = contents([user(text('x')), model(call('a')), user(result('z', 'late'), text('y'))])
    expect(written.contents).toMatchObject([
      {},
      {},
      { parts: [{ functionResponse: { id: 'a', response: { error: 'no result' } } }, { text: 'y' }] },
    ])
    expect(written.warned).toContain('turns[1].parts[0]:synthesised')
    expect(written.warned).toContain('turns[2].parts[0]:dropped')
  })

  it('empty words are left out, and neighbours of one role are one', () => {
    const { contents: written } = contents([
      user(text('a')),
      user(text('')),
      user(text('b')),
      model(text('')),
    ])
    expect(written).toEqual([{ role: 'user', parts: [{ text: 'a' }, { text: 'b' }] }])
  })

  it('instructions in mid-conversation are said by the user', () => {
    const written = contents([
      user(text('a')),
      model(text('b')),
      { role: 'system', parts: [text('be brief')] },
      user(text('c')),
    ])
    expect(written.contents).toEqual([
      { role: 'user', parts: [{ text: 'a' }] },
      { role: 'model', parts: [{ text: 'b' }] },
      { role: 'user', parts: [{ text: 'be brief' }, { text: 'c' }] },
    ])
    expect(written.warned).toEqual(['turns[2]:degraded'])
  })

  it('a conversation that the model begins is opened', () => {
    const written = contents([model(text('hello')), user(text('x'))])
    expect(written.contents).toEqual([
      { role: 'user', parts: [{ text: '.' }] },
      { role: 'model', parts: [{ text: 'hello' }] },
      { role: 'user', parts: [{ text: 'x' }] },
    ])
    expect(written.warned).toEqual(['turns[0]:synthesised'])
  })

  it('an answer begun is history, or refused by models that do not go on with one', () => {
    const turns = [user(text('a')), model(text('b'))]
    expect(contents(turns).warned).toEqual([])
    expect(contents(turns, { prefill: false }).warned).toEqual(['turns[1]:refused'])
  })

  it('ids that are too long are replaced in call and result alike', () => {
    const long = 'x'.repeat(100)
    const { contents: written } = contents([user(text('x')), model(call(long)), user(result(long, 'y'))])
    const ids = [...JSON.stringify(written).matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id)
    expect(ids).toHaveLength(2)
    expect(ids[0]).toBe(ids[1])
    expect(ids[0]?.length).toBeLessThanOrEqual(64)
  })
})

describe('media', () => {
  const media = (part: Partial<Extract<Part, { kind: 'media' }>>, over: CapabilityOverrides = {}) => {
    const full = { kind: 'media', media: 'image', source: { kind: 'base64', data: 'AAAA' }, ...part } as const
    const { body, warned } = write({ turns: [user(full)] }, LATEST, over)
    const [content] = body['contents'] as { parts: JsonObject[] }[]
    return { part: content?.parts[0], warned }
  }

  it.each([
    [{ mimeType: 'image/png' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
    [
      { source: { kind: 'base64', data: 'iVBORw0KGgoAAAAN' } },
      { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgoAAAAN' } },
    ],
    [
      { source: { kind: 'url', url: 'https://x/y.webp?z' } },
      { fileData: { mimeType: 'image/webp', fileUri: 'https://x/y.webp?z' } },
    ],
    [
      { media: 'document', source: { kind: 'url', url: 'https://x/y' } },
      { fileData: { mimeType: 'application/pdf', fileUri: 'https://x/y' } },
    ],
    [
      { source: { kind: 'file', id: 'gs://x', dialect: 'gemini' }, mimeType: 'image/png' },
      { fileData: { mimeType: 'image/png', fileUri: 'gs://x' } },
    ],
    [
      { media: 'document', source: { kind: 'text', text: 'words' }, title: 'T', context: 'C' },
      { text: 'T\n\nC\n\nwords' },
    ],
    [
      { mimeType: 'image/png', detail: 'high' },
      {
        inlineData: { mimeType: 'image/png', data: 'AAAA' },
        mediaResolution: { level: 'MEDIA_RESOLUTION_HIGH' },
      },
    ],
    [{ mimeType: 'image/png', detail: 'auto' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }],
  ] as const)('%o is %o', (part, written) => {
    expect(media(part)).toEqual({ part: written, warned: [] })
  })

  it.each([
    [{ source: { kind: 'file', id: 'file-1', dialect: 'openai-responses' } }, true],
    [{ source: { kind: 'url', url: 'https://x' } }, false],
    [{ media: 'video' }, true],
  ] as const)('%o is refused', (part, urlMedia) => {
    const { warned } = media(part, { urlMedia, media: ['image'] })
    expect(warned).toEqual(['turns[0].parts[0]:refused'])
  })

  it('in results stand in them, or after them where the model cannot', () => {
    const image = {
      kind: 'media',
      media: 'image',
      source: { kind: 'base64', data: 'AAAA' },
      mimeType: 'image/png',
    } as const
    const turns = [
      user(text('x')),
      model(call('a')),
      user(
        { kind: 'tool-result', callId: 'a', content: [image], isError: false, isCustom: false },
        text('y'),
      ),
    ]
    const inline = { inlineData: { mimeType: 'image/png', data: 'AAAA' } }
    const today = write({ turns })
    expect((today.body['contents'] as JsonObject[])[2]?.['parts']).toEqual([
      { functionResponse: { id: 'a', name: 'f', response: {}, parts: [inline] } },
      { text: 'y' },
    ])
    const before = write({ turns }, 'gemini-2.5-flash')
    expect(before.warned).toEqual(['turns[2].parts[0]:moved'])
    expect((before.body['contents'] as JsonObject[])[2]?.['parts']).toMatchObject([
      { functionResponse: { id: 'a' } },
      { text: 'y' },
      { text: 'Result a:' },
      inline,
    ])
  })

  it('a part that only another vendor knows is refused', () => {
    const native = {
      kind: 'native',
      dialect: 'anthropic',
      type: 'web_search_tool_result',
      value: {},
    } as const
    expect(write({ turns: [user(text('x')), model(native), user(text('y'))] }).warned).toEqual([
      'turns[1].parts[0]:refused',
    ])
  })
})

describe('state', () => {
  const own: Carrier = { dialect: 'gemini', provider: 'google', data: 'sig', form: 'thought', of: 'own' }
  const partsOf = (said: readonly Part[], over: Partial<CanonicalRequest> = {}) => {
    const { body, warned } = write({ turns: [user(text('x')), model(...said), user(text('y'))], ...over })
    return { parts: (body['contents'] as JsonObject[])[1]?.['parts'], warned }
  }
  const thought = (carrier?: Carrier): Part => ({
    kind: 'reasoning',
    text: 'hm',
    isSummary: true,
    ...(carrier === undefined ? {} : { carrier }),
  })

  it('goes back to where it came from, on the very part', () => {
    expect(
      partsOf([
        thought(own),
        { kind: 'text', text: 'a', carrier: own },
        call('c', 'f', '{}', { ...own, provider: null }),
      ]).parts,
    ).toEqual([
      { text: 'hm', thought: true, thoughtSignature: 'sig' },
      { text: 'a', thoughtSignature: 'sig' },
      { functionCall: { id: 'c', name: 'f', args: {} }, thoughtSignature: 'sig' },
    ])
  })

  it('of another provider or dialect never goes, and its thoughts neither', () => {
    const foreign: Carrier = { ...own, dialect: 'anthropic' }
    const other: Carrier = { ...own, provider: 'elsewhere' }
    expect(
      partsOf([thought(foreign), thought(other), thought(), { kind: 'text', text: 'a', carrier: other }]),
    ).toEqual({ parts: [{ text: 'a' }], warned: [] })
  })

  it('that Gemini 3 insists on is replaced by Google’s own word for none, on the first call of a turn', () => {
    const { parts, warned } = partsOf([call('c'), call('d')])
    expect(parts).toEqual([
      {
        functionCall: { id: 'c', name: 'f', args: {} },
        thoughtSignature: 'skip_thought_signature_validator',
      },
      { functionCall: { id: 'd', name: 'f', args: {} } },
    ])
    expect(warned).toContain('turns:unsigned')
  })

  it('is not asked for by models before 3', () => {
    const { body } = write({ turns: [user(text('x')), model(call('c'))] }, 'gemini-2.5-flash')
    expect(JSON.stringify(body)).not.toContain('thoughtSignature')
  })

  it('its own client’s thoughts without state stay', () => {
    expect(partsOf([thought(), text('a')], { dialect: 'gemini' }).parts).toEqual([
      { text: 'hm', thought: true },
      { text: 'a' },
    ])
  })
})
