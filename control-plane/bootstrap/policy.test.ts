import { describe, expect, test } from 'vitest'
import { readEnvironment } from './environment.ts'
import { readConfigFile } from './file.ts'

const BASE = { LLM_PROVIDERS: 'a', LLM_PROVIDER_A_BASE_URL: 'https://a.example/v1' }

describe('routing policy by environment', () => {
  test('limits requests under way and names dialects', () => {
    const read = readEnvironment({
      ...BASE,
      LLM_PROVIDER_A_MAX_CONCURRENCY: '12',
      LLM_PROVIDER_A_DIALECTS: 'openai-responses, openai-chat',
    })
    expect(read.ok && read.value.providers[0]?.definition).toMatchObject({
      dialects: ['openai-responses', 'openai-chat'],
      routing: { maxConcurrency: 12 },
    })
  })

  test('is refused by the variable that is wrong', () => {
    const refused = (name: string, value: string) => {
      const read = readEnvironment({ ...BASE, [name]: value })
      return read.ok ? [] : read.error
    }
    for (const [name, value] of [
      ['LLM_PROVIDER_A_MAX_CONCURRENCY', '0.5'],
      ['LLM_PROVIDER_A_DIALECTS', 'smalltalk'],
    ] as const) {
      expect(refused(name, value)).toEqual([expect.stringContaining(`${name}: `)])
    }
  })
})

describe('routing policy by file', () => {
  const text = `
providers:
  a: { baseUrl: https://a.example/v1, dialects: [openai-chat], routing: { maxConcurrency: 3 } }
models:
  fast:
    strategy: latency
    region: eu
    targets: [{ provider: a, model: m, timeouts: { firstTokenMs: 500 } }]
  slow:
    targets: [{ provider: a, model: m }]
`
  test('belongs to models and their targets', () => {
    const read = readConfigFile(text, 'x.yaml', {})
    if (!read.ok) throw new Error(read.error.join('\n'))
    const [one, other] = read.value.models
    expect(one).toMatchObject({
      strategy: 'latency',
      region: 'eu',
      targets: [{ timeouts: { firstTokenMs: 500 } }],
    })
    expect(Object.keys(other ?? {}).toSorted()).toEqual(['name', 'targets'])
    expect(read.value.providers[0]?.definition).toMatchObject({
      dialects: ['openai-chat'],
      routing: { maxConcurrency: 3 },
    })
  })
})
