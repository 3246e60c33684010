/**
 * Every fault a provider can have, and what a client must see of it. Plain data: `faults.test.ts` plays it.
 */
import { behaviours, errorBody, type Behaviour } from '../fakes/behaviour.ts'

export const MODES = ['json', 'sse'] as const
export type Mode = (typeof MODES)[number]

/** Which provider has the fault: one that is told to, or one that cannot be talked to at all. */
export type Where = 'told' | 'refusing' | 'resetting'

/** What a client sees when every candidate has the fault: status and code of the error. */
export type Seen = readonly [status: number, code: string]

export type EarlyFault = Readonly<{
  behaviour: Behaviour
  where?: Where
  /** The same for both modes unless said otherwise; null: this mode has an answer and no fault. */
  json: Seen | null
  sse: Seen | null
}>

/** Longer than the deadlines of the test. */
const LONG = 5_000

const both = (
  behaviour: Behaviour,
  status: number,
  code: string,
  more: Partial<EarlyFault> = {},
): EarlyFault => ({
  behaviour,
  json: [status, code],
  sse: [status, code],
  ...more,
})
const FAULT = [502, 'upstream_error'] as const
const LATE = [504, 'upstream_timeout'] as const
/** What was asked for as a whole came as a stream, or the other way round: the caller may have made it so. */
const WRONG_KIND = [400, 'invalid_value'] as const

/** Nothing of an answer has come: another candidate is tried. */
export const EARLY_FAULTS: Readonly<Record<string, EarlyFault>> = {
  throttled: both(behaviours.throttled(), 429, 'rate_limit_exceeded'),
  'throttled with Retry-After': both(behaviours.throttled('7'), 429, 'rate_limit_exceeded'),
  'quota gone': both(behaviours.quotaGone, 502, 'upstream_refused'),
  unpaid: both(behaviours.unpaid, 502, 'upstream_refused'),
  'bad key': both(behaviours.badKey, 502, 'upstream_refused'),
  forbidden: both(behaviours.forbidden, 502, 'upstream_refused'),
  'no such model': both(behaviours.noSuchModel, 404, 'model_not_found'),
  '500': both(behaviours.serverError, ...FAULT),
  '502 with HTML': both(behaviours.badGateway, ...FAULT),
  '503': both(behaviours.overloaded, 503, 'upstream_overloaded'),
  '529': both(behaviours.siteOverloaded, 503, 'upstream_overloaded'),
  'HTML instead of an answer': both(behaviours.html, ...FAULT),
  'empty answer': both(behaviours.empty, ...FAULT),
  'half an answer': both(behaviours.truncatedJson, ...FAULT),
  'error under a 200': both(behaviours.errorInside, ...FAULT),
  'error as first event': both(behaviours.errorAsFirstEvent, ...FAULT),
  'choices of null': both(behaviours.nullChoices, ...FAULT),
  'whole answer for a stream': {
    behaviour: {
      headers: { 'content-type': 'application/json' },
      body: '{"choices":[{"index":0,"message":{"content":"bad"}}]}',
    },
    json: null,
    sse: WRONG_KIND,
  },
  'stream without events': both(behaviours.emptyStream, ...FAULT),
  'nothing but [DONE]': both(behaviours.onlyDone, ...FAULT),
  'malformed events': { behaviour: behaviours.malformedEvents, json: WRONG_KIND, sse: FAULT },
  'error instead of a stream': both(behaviours.jsonForStream, ...FAULT),
  'nothing but comments': { behaviour: behaviours.onlyComments(50), json: FAULT, sse: LATE },
  'late status line': both(behaviours.slowHeaders(LONG), ...LATE),
  'late first piece': both(behaviours.slowFirstToken(LONG), ...LATE),
  'silence before the status line': both(behaviours.hangBeforeHeaders, ...LATE),
  'silence after the status line': both(behaviours.hangAfterHeaders, ...LATE),
  // The first piece of a JSON answer is all of it.
  'silence after the role': { behaviour: behaviours.hangMidStream(1), json: null, sse: LATE },
  'closed before the status line': both(behaviours.cutBeforeHeaders, ...FAULT),
  'reset before the status line': both(behaviours.resetBeforeHeaders, ...FAULT),
  'closed after 50 bytes': both(behaviours.cutAfterBytes(50), ...FAULT),
  'reset after 50 bytes': both(behaviours.resetAfterBytes(50), ...FAULT),
  'refuses connections': both({}, ...FAULT, { where: 'refusing' }),
  'resets connections': both({}, ...FAULT, { where: 'resetting' }),
}

const EVENTS = { 'content-type': 'text/event-stream' }
const chunk = (delta: object): string =>
  `data: ${JSON.stringify({ id: 'chatcmpl-bad', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`
const BEGINNING = [chunk({ role: 'assistant', content: '' }), chunk({ content: 'bad ' })]

/** A word has reached the client: the answer can only be broken off, and said to be. */
export const LATE_FAULTS: Readonly<Record<string, Readonly<{ behaviour: Behaviour; code: string }>>> = {
  'silence after words': {
    behaviour: { ...behaviours.hangMidStream(3), words: ['bad ', 'bad '] },
    code: 'stream_broken',
  },
  'closed after words': {
    behaviour: { headers: EVENTS, body: BEGINNING, cut: { at: BEGINNING.join('').length } },
    code: 'stream_broken',
  },
  'reset after words': {
    behaviour: {
      headers: EVENTS,
      body: BEGINNING,
      betweenPiecesMs: 20,
      cut: { at: BEGINNING.join('').length, how: 'reset' },
    },
    code: 'stream_broken',
  },
  'closed inside an event': {
    behaviour: {
      headers: EVENTS,
      body: [...BEGINNING, chunk({ content: 'bad' })],
      cut: { at: BEGINNING.join('').length + 60 },
    },
    code: 'stream_broken',
  },
  'ended without an end': { behaviour: { headers: EVENTS, body: BEGINNING }, code: 'stream_broken' },
  'ended inside an event': {
    behaviour: { headers: EVENTS, body: [...BEGINNING, 'data: {"choices":[{"del'] },
    code: 'stream_broken',
  },
  'error after words': {
    behaviour: {
      headers: EVENTS,
      body: [...BEGINNING, `data: ${errorBody('the bad provider gave up', 'server_error', 'gave_up')}\n\n`],
    },
    code: 'gave_up',
  },
}
