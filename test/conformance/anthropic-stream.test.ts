import { expect, test } from 'vitest'
import { assembled, defectsOf } from './anthropic-stream.ts'

const frame = (value: { type: string } & Record<string, unknown>): string =>
  `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`

const counted = { input_tokens: 1, cache_read_input_tokens: 0, output_tokens: 1 }
const START = frame({ type: 'message_start', message: { id: 'm', usage: counted } })
const OPEN = frame({
  type: 'content_block_start',
  index: 0,
  content_block: { type: 'tool_use', id: 't', name: 'n', input: {} },
})
const args = (partial_json: string): string =>
  frame({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json } })
const CLOSE = frame({ type: 'content_block_stop', index: 0 })
const END = frame({ type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: counted })
const STOP = frame({ type: 'message_stop' })

test('a good stream has no defects and becomes its message', () => {
  const stream = START + frame({ type: 'ping' }) + OPEN + args('{"a"') + args(':1}') + CLOSE + END + STOP
  expect(defectsOf(stream)).toEqual([])
  expect(assembled(stream)).toMatchObject({
    id: 'm',
    content: [{ type: 'tool_use', input: { a: 1 } }],
    stop_reason: 'tool_use',
  })
})

test('arguments that are only cut short are no defect', () => {
  expect(defectsOf(START + OPEN + args('{"a":"x') + CLOSE + END + STOP)).toEqual([])
})

test.each([
  ['no event line', START.replace('event: message_start\n', '') + END + STOP],
  ['no blank line at the end', (START + END + STOP).trimEnd()],
  ['[DONE]', `${START + END + STOP}event: message_stop\ndata: [DONE]\n\n`],
  ['no beginning', OPEN + CLOSE + END + STOP],
  ['two beginnings', START + START + END + STOP],
  ['no usage at the beginning', frame({ type: 'message_start', message: { id: 'm' } }) + END + STOP],
  [
    'no usage at the end',
    START + frame({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }) + STOP,
  ],
  ['no reason to stop', START + frame({ type: 'message_delta', delta: {}, usage: counted }) + STOP],
  ['no message_delta', START + STOP],
  ['no message_stop', START + END],
  [
    'a gap between blocks',
    START + OPEN.replace('"index":0', '"index":1') + CLOSE.replace('0', '1') + END + STOP,
  ],
  ['a block in a block', START + OPEN + OPEN.replace('"index":0', '"index":1') + CLOSE + END + STOP],
  ['a block that is not closed', START + OPEN + END + STOP],
  ['a delta without a block', START + args('{}') + END + STOP],
  [
    'a delta of another kind',
    START + OPEN + args('{}').replace('input_json_delta', 'text_delta') + CLOSE + END + STOP,
  ],
  ['broken arguments', START + OPEN + args("{'a'") + CLOSE + END + STOP],
])('%s is a defect', (_name, stream) => {
  expect(defectsOf(stream)).not.toEqual([])
})
