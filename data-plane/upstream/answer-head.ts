/**
 * What the head of an upstream's answer, or its first look, says about the rest.
 *
 * Pure.
 */
import type { Headers } from '../http/headers.ts'
import type { Passage } from './passage.ts'

/** Upstream headers a client may see. */
const PASSED_HEADERS = ['openai-processing-ms', 'openai-version'] as const

export const isJson = (contentType: string): boolean =>
  // What nearly all say.
  contentType === 'application/json' || /json/i.test(contentType)

export function isStreamed(passage: Passage, body: Buffer): boolean {
  const stream = passage.openStream()
  stream.push(body)
  // An event that holds something: `[DONE]` alone is no answer of any kind.
  return stream.verdict !== 'error' && /^data: ?\{/m.test(body.toString('latin1'))
}

/** We asked for an unencoded answer and can read no other. */
export function isPlain(headers: Headers): boolean {
  const encoding = headers.get('content-encoding')
  return encoding === undefined || encoding === 'identity'
}

export function passedHeaders(headers: Headers): string[] {
  const passed: string[] = []
  for (const name of PASSED_HEADERS) {
    const value = headers.get(name)
    if (typeof value === 'string') passed.push(name, value)
  }
  return passed
}

const CREDENTIAL_HEADER = /^(?:authorization|(?:x-)?(?:goog-)?api-key)$/i
/** Shorter ones would be words of any text. */
const SHORTEST_CREDENTIAL = 8
const HIDDEN = '[redacted]'

/**
 * @param headers of the request, name and value in turn.
 * @returns the text of a refusal without the credential: providers like to repeat it, and it is not the client's.
 */
export function withoutCredential(text: string, headers: readonly string[]): string {
  let told = text
  for (let at = 0; at < headers.length; at += 2) {
    if (!CREDENTIAL_HEADER.test(headers[at] ?? '')) continue
    const credential = (headers[at + 1] ?? '').replace(/^Bearer /i, '')
    if (credential.length < SHORTEST_CREDENTIAL) continue
    const escaped = JSON.stringify(credential).slice(1, -1)
    told = told.replaceAll(escaped, HIDDEN).replaceAll(credential, HIDDEN)
  }
  return told
}
