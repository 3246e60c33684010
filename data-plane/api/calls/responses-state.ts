/**
 * What can be done with a response that a provider keeps: read it, list its input, cancel or delete it.
 * Goes to the provider that made it, as it is.
 */
import { err, ok } from '#contracts/result.ts'
import { TONGUE } from '../tongues.ts'
import type { Call } from '../inquiry.ts'
import { NativePassage } from '../../upstream/passage/native.ts'
import { unsendable } from '../../upstream/classify.ts'
import { NATIVE_ANSWERS, type NativeAnswers } from '../../dialects/native/answers.ts'
import { isObject, parseJson } from '../../dialects/canonical/json.ts'
import { nativeHeaders } from './request-headers.ts'

export type StateRequest = Readonly<{
  method: 'GET' | 'POST' | 'DELETE'
  id: string
  /** Below the response: ``, `/cancel`, `/input_items`. */
  tail: string
  /** The client's own. */
  query: URLSearchParams
}>

const TONGUE_OF_RESPONSES = TONGUE['openai-responses']

/** Whatever it says, if it is not an error: a response of any state, a list, a receipt. */
const STATE_ANSWERS: NativeAnswers = {
  ...NATIVE_ANSWERS['openai-responses'],
  judgeBody: (body) => {
    const value = parseJson(body.toString())
    const isError = isObject(value) && value['object'] === undefined && isObject(value['error'])
    return { verdict: !isObject(value) ? 'not_json' : isError ? 'error' : 'answer', usage: null }
  },
}

export function responseState({ method, id, tail, query }: StateRequest): Call {
  const stream = method === 'GET' && query.get('stream') === 'true'
  return {
    tongue: TONGUE_OF_RESPONSES,
    endpoint: 'responses',
    read: ({ headers, requestId, body }) =>
      ok({
        model: '',
        stream,
        owner: id,
        dropState: () => false,
        recall: () => null,
        prepare: ({ endpoints }) =>
          endpoints.responses === null
            ? err(unsendable({ code: 'response_not_found' }, 'request'))
            : ok({
                method,
                path: below(endpoints.responses, `/${id}${tail}`, query),
                dialect: 'openai-responses',
                headers: nativeHeaders('openai-responses', headers, stream),
                body: method === 'POST' ? body : null,
                passage: new NativePassage({
                  answers: STATE_ANSWERS,
                  // What made it was counted when it was made.
                  meter: null,
                  errorEvent: (problem) => TONGUE_OF_RESPONSES.errorEvent(problem, requestId),
                }),
                warnings: [],
              }),
      }),
  }
}

/** What these calls define. A client's key may stand in its query, too, and is no provider's business. */
const PASSED: ReadonlySet<string> = new Set([
  'include',
  'include[]',
  'include_obfuscation',
  'stream',
  'starting_after',
  'after',
  'before',
  'limit',
  'order',
])

/** A path below another that may have a query of its own. */
function below(path: string, tail: string, query: URLSearchParams): string {
  const [place = '', own] = path.split('?')
  const passed = new URLSearchParams([...query].filter(([name]) => PASSED.has(name))).toString()
  const whole = [passed, own ?? ''].filter((part) => part !== '').join('&')
  return place + tail + (whole === '' ? '' : `?${whole}`)
}
