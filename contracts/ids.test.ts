import { describe, expect, test } from 'vitest'
import {
  clientKeyStream,
  deploymentId,
  isModelName,
  isProviderId,
  keyId,
  modelName,
  modelStream,
  providerId,
  providerStream,
  splitStream,
  streamId,
  SYSTEM_STREAM,
} from './ids.ts'

describe('a provider id', () => {
  test.each(['openai', 'azure-eu', 'a', '0', 'x_y-z9', 'a'.repeat(63)])('may be %s', (text) => {
    expect(isProviderId(text)).toBe(true)
  })

  test.each(['', 'OpenAI', '-a', '_a', 'a b', 'a/b', 'a.b', 'ä', 'a\n', 'a'.repeat(64), '__proto__'])(
    'may not be %j',
    (text) => {
      expect(isProviderId(text)).toBe(false)
    },
  )
})

describe('a model name', () => {
  test.each(['gpt-4o', 'meta-llama/Llama-3.1:free', 'models/gemini-1.5@001', 'a+b', '模型', 'x'.repeat(200)])(
    'may be %s',
    (text) => {
      expect(isModelName(text)).toBe(true)
    },
  )

  test.each([
    '',
    'a b',
    'a\tb',
    'a"b',
    'a\\b',
    'a\0b',
    'a\u007fb',
    'a\u2028b',
    'a\u00a0b',
    'a\n',
    'x'.repeat(201),
  ])('may not be %j', (text) => {
    expect(isModelName(text)).toBe(false)
  })
})

test('every kind of entity has streams of its own, also where names hold dashes', () => {
  const streams = [
    providerStream(providerId('a-b')),
    providerStream(providerId('a')),
    modelStream(modelName('a-b')),
    clientKeyStream(keyId('a-b')),
  ]
  expect(streams).toEqual(['provider-a-b', 'provider-a', 'model-a-b', 'clientkey-a-b'])
})

test('a stream says which entity it is about', () => {
  expect(splitStream(providerStream(providerId('a-b')))).toEqual(['provider', 'a-b'])
  expect(splitStream(modelStream(modelName('org/x-1')))).toEqual(['model', 'org/x-1'])
  expect(splitStream(SYSTEM_STREAM)).toEqual(['', ''])
  // Not the same as a provider without a name: no two streams are about one entity.
  expect(splitStream(streamId('provider'))).toEqual(['', ''])
  expect(splitStream(streamId('provider-'))).toEqual(['provider', ''])
})

test('a deployment is named after both its halves', () => {
  expect(deploymentId(providerId('openai'), 'org/model')).toBe('openai/org/model')
})
