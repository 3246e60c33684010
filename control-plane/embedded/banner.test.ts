import { describe, expect, test } from 'vitest'
import type { Command } from '../commands/command.ts'
import {
  after,
  AZURE,
  createFast,
  definition,
  OPENAI,
  registerAzure,
  registerOpenai,
} from '#test/control-plane/given.ts'
import { banner, type BannerInput } from './banner.ts'

const show = (more: Partial<BannerInput>): string =>
  banner({
    gateway: 'http://127.0.0.1:8080',
    admin: 'http://127.0.0.1:8090',
    clientKey: null,
    adminToken: null,
    tokenPlace: '.apiproxy/admin-token',
    simulatedModel: null,
    catalog: after(),
    ...more,
  })
const modelOf = (text: string): unknown => /"model":"([^"]+)"/.exec(text)?.[1]
const listed: Command = {
  type: 'RegisterProvider',
  id: AZURE,
  definition: definition({ models: { static: ['listed-model'] } }),
  credentials: [],
}

describe('the model that the printed request names', () => {
  test.each([
    [
      'the simulated one, when it is there',
      { simulatedModel: 'simulated-chat', catalog: after(registerOpenai) },
      'simulated-chat',
    ],
    ['a logical model, before all others', { catalog: after(listed, registerOpenai, createFast) }, 'fast'],
    ['one that a provider was said to have', { catalog: after(registerOpenai, listed) }, 'listed-model'],
    [
      'a small one of a well-known provider, pinned',
      { catalog: after(registerOpenai) },
      'openai/gpt-4o-mini',
    ],
  ])('is %s', (_, more, expected) => {
    expect(modelOf(show(more))).toBe(expected)
  })

  test.each([
    ['there is no provider', after()],
    [
      'the only one is disabled',
      after(registerOpenai, { type: 'DisableProvider', id: OPENAI, expectedVersion: 2 }),
    ],
    ['nothing is known of the only one', after(registerAzure)],
  ])('is none when %s: the line asks for the list', (_, catalog) => {
    expect(show({ catalog })).toMatch(/^curl \S+\/v1\/models -H "authorization: Bearer <your client key>"$/m)
  })
})

describe('the secrets', () => {
  test('are shown when they were just made', () => {
    const text = show({ clientKey: 'sk-ap-new', adminToken: 'ap-admin-new' })
    expect(text).toMatch(/key +sk-ap-new$/m)
    expect(text).toMatch(/token +ap-admin-new$/m)
    expect(text).not.toContain('Lost the client key?')
  })

  test('are not asked for otherwise: another key can be made', () => {
    expect(show({})).toContain('npx apiproxy keys issue --name mine')
  })
})
