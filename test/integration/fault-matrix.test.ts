/**
 * The matrix of faults leaves nothing out: what a fake provider can do is a fault in it, or named here as none,
 * and then the first provider's answer is the client's.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { behaviours, type Behaviour } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import type { Mode } from './fault-matrix.ts'
import { Gateway, KEY } from './gateway.ts'

type NoFault = Readonly<{ behaviour: Behaviour; modes: readonly Mode[]; status: number; holds: string }>

const NO_FAULTS: Readonly<Partial<Record<keyof typeof behaviours, NoFault>>> = {
  ok: { behaviour: behaviours.ok, modes: ['json', 'sse'], status: 200, holds: '"stop"' },
  says: { behaviour: behaviours.says('one word'), modes: ['json', 'sse'], status: 200, holds: 'one word' },
  // A model may have nothing to say.
  noContentEvents: { behaviour: behaviours.noContentEvents, modes: ['sse'], status: 200, holds: '[DONE]' },
  slowStream: {
    behaviour: behaviours.slowStream(20, ['slow ', 'words']),
    modes: ['sse'],
    status: 200,
    holds: '[DONE]',
  },
  // Every provider would say the same.
  badRequest: {
    behaviour: behaviours.badRequest,
    modes: ['json', 'sse'],
    status: 400,
    holds: 'messages must not be empty',
  },
}

test('whatever a fake provider can do is in the matrix of faults, or is none', async () => {
  const matrix = await readFile(join(import.meta.dirname, 'fault-matrix.ts'), 'utf8')
  const inMatrix = (name: string): boolean => new RegExp(`behaviours\\.${name}\\b`).test(matrix)
  const named = Object.keys(behaviours)
  expect(named.filter((name) => inMatrix(name) === Object.hasOwn(NO_FAULTS, name))).toEqual([])
})

describe('what is no fault', () => {
  for (const [name, { behaviour, modes, status, holds }] of Object.entries(NO_FAULTS)) {
    for (const mode of modes) {
      test(`reaches the client from the first provider: ${name}, ${mode}`, async () => {
        await using first = await FakeProvider.start()
        await using second = await FakeProvider.start()
        first.byDefault(behaviour)
        await using gateway = await Gateway.start({
          providers: { first: { baseUrl: first.baseUrl }, second: { baseUrl: second.baseUrl } },
          models: { chat: ['first/m', 'second/m'] },
        })
        const answer = await fetch(`${gateway.baseUrl}/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
          body: JSON.stringify({
            model: 'chat',
            stream: mode === 'sse',
            messages: [{ role: 'user', content: 'Hi' }],
          }),
        })
        expect(await answer.text()).toContain(holds)
        expect(answer.status).toBe(status)
        expect([first.requests.length, second.requests.length]).toEqual([1, 0])
      })
    }
  }
})
