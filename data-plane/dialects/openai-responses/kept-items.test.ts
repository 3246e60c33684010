import { describe, expect, test } from 'vitest'
import { answerTarget, ASKED, readContext } from '#test/conformance/contexts.ts'
import { objectOf, stringOf, type JsonObject } from '../canonical/json.ts'
import { keptOf, referencesOf, withKept, type KeptResponse } from './kept-items.ts'
import { readRequest } from './read-request.ts'
import { writeReply } from './write-reply.ts'

const CARRIER = { dialect: 'gemini', provider: 'google', data: 'sig', form: 'thought', of: 'own' } as const

/** An answer as we write it, of a model that signs its calls. */
const response = objectOf(
  JSON.parse(
    writeReply(
      {
        dialect: 'gemini',
        id: 'x',
        model: 'm',
        created: null,
        candidates: [
          {
            index: 0,
            parts: [
              { kind: 'text', text: 'I look.' },
              { kind: 'tool-call', id: 'call_1', name: 'f', args: '{}', isCustom: false, carrier: CARRIER },
            ],
            finish: { kind: 'tool-calls' },
            logprobs: null,
          },
        ],
        usage: null,
        serviceTier: null,
      },
      answerTarget({ ...ASKED, dialect: 'openai-responses' }),
    ),
  ) as JsonObject,
)

const asked = { model: 'm', instructions: 'old', input: 'q' }
const kept: KeptResponse = keptOf(asked, response) ?? { id: '', input: [], output: [] }
const idOf = (item: JsonObject | undefined): string => stringOf(item?.['id']) ?? ''
const byId = new Map(kept.output.map((item) => [idOf(item), item]))

const turnsOf = (body: JsonObject) => {
  const read = readRequest(body, readContext())
  if (!read.ok) throw new Error(JSON.stringify(read.error))
  return { turns: read.value.turns, refused: read.value.extras.filter(({ cross }) => cross === 'refuse') }
}

const RESULT = { type: 'function_call_output', call_id: 'call_1', output: 'r' }

/** What the conversation is once everything is said. */
const WHOLE = {
  turns: [
    { role: 'user', parts: [{ kind: 'text', text: 'q' }] },
    {
      role: 'assistant',
      parts: [
        { kind: 'text', text: 'I look.' },
        { kind: 'tool-call', id: 'call_1', name: 'f', args: '{}', isCustom: false, carrier: CARRIER },
      ],
    },
    { role: 'user', parts: [expect.objectContaining({ kind: 'tool-result', callId: 'call_1' })] },
  ],
  refused: [],
}

describe('a request that refers to what we wrote', () => {
  test('by its items is told in full, state included', () => {
    const references = kept.output.map((item) => ({ type: 'item_reference', id: idOf(item) }))
    const body = { model: 'm', input: [{ role: 'user', content: 'q' }, ...references, RESULT] }
    expect(referencesOf(body)).toEqual({ response: null, items: references.map(({ id }) => id) })
    expect(turnsOf(withKept(body, null, byId))).toEqual(WHOLE)
  })

  test('by the response it continues is told in full, without the old instructions', () => {
    const body = { model: 'm', previous_response_id: kept.id, input: [RESULT] }
    expect(referencesOf(body)).toEqual({ response: kept.id, items: [] })
    const whole = withKept(body, kept, new Map())
    expect(turnsOf(whole)).toEqual(WHOLE)
    expect(whole).not.toHaveProperty('instructions')
  })

  test('in both ways says nothing twice', () => {
    const [first] = kept.output
    const body = {
      model: 'm',
      previous_response_id: kept.id,
      input: [{ type: 'item_reference', id: idOf(first) }, RESULT],
    }
    expect(turnsOf(withKept(body, kept, byId))).toEqual(WHOLE)
  })

  test('continues a response that continued another', () => {
    const again = keptOf(withKept({ previous_response_id: kept.id, input: [RESULT] }, kept, new Map()), {
      id: 'resp_2',
      output: [
        { type: 'message', role: 'assistant', id: 'msg_2', content: [{ type: 'output_text', text: 'done' }] },
      ],
    })
    const { turns } = turnsOf(withKept({ previous_response_id: 'resp_2', input: 'thanks' }, again, new Map()))
    expect(turns.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant', 'user'])
  })

  test('that is not kept any more stays as it was', () => {
    const body = { model: 'm', previous_response_id: 'resp_9', input: [{ id: 'msg_9' }] }
    expect(withKept(body, null, byId)).toEqual(body)
    expect(turnsOf(body).refused).toHaveLength(1)
  })
})

test.each([[{ input: 'x' }], [{ input: [{ role: 'user', content: 'x' }, RESULT] }], [{}]])(
  'a request that says everything itself refers to nothing: %j',
  (body) => {
    expect(referencesOf(body)).toBeNull()
  },
)
