/**
 * Who keeps a stored response: only the provider that made it can continue, read or delete it.
 *
 * Kept as a note for as long as OpenAI keeps responses; a lost note costs a clear error.
 */
import { credentialId, providerId, type CredentialId, type KeyId, type ProviderId } from '#contracts/ids.ts'
import { isObject, parseJson, stringOf } from '../../dialects/canonical/json.ts'
import { NATIVE_ANSWERS, type NativeAnswers } from '../../dialects/native/answers.ts'
import { responseIdInEvent, responseIdOf } from '../../dialects/openai-responses/state.ts'
import type { Notes } from '../../notes/notes.ts'

/** OpenAI keeps responses for 30 days, in milliseconds. */
const KEEP_OWNER_MS = 30 * 86_400_000

/** Accounts keep responses, and each credential may be of another. */
export type Owner = Readonly<{ provider: ProviderId; model: string; credential: CredentialId | null }>

/** Ids go into addresses: nothing else may. */
export const isResponseId = (id: string): boolean => /^[A-Za-z0-9_-]{1,200}$/.test(id)

/** One client's responses are no other's. */
const noteKey = (key: KeyId, id: string): string => `response\n${key}\n${id}`

/** @returns null when nobody knows. */
export async function findOwner(notes: Notes, key: KeyId, id: string): Promise<Owner | null> {
  const [text = null] = await notes.find([noteKey(key, id)])
  const value = text === null ? undefined : parseJson(text)
  const provider = isObject(value) ? stringOf(value['provider']) : undefined
  const model = isObject(value) ? stringOf(value['model']) : undefined
  if (provider === undefined || model === undefined) return null
  const credential = isObject(value) ? stringOf(value['credential']) : undefined
  return {
    provider: providerId(provider),
    model,
    credential: credential === undefined ? null : credentialId(credential),
  }
}

export function keepOwner(
  notes: Notes,
  key: KeyId,
  id: string,
  { provider, model, credential }: Owner,
): void {
  notes.keep(noteKey(key, id), JSON.stringify({ provider, model, credential }), KEEP_OWNER_MS)
}

/** The judgement of native Responses, told the answer's id on the way. At most once. */
export function answersWithId(onId: (id: string) => void): NativeAnswers {
  const answers = NATIVE_ANSWERS['openai-responses']
  let isKnown = false
  const found = (id: string | null): void => {
    if (isKnown || id === null || !isResponseId(id)) return
    isKnown = true
    onId(id)
  }
  return {
    ...answers,
    judgeBody: (body) => {
      found(responseIdOf(body))
      return answers.judgeBody(body)
    },
    judgeEvent: (event) => {
      if (!isKnown) found(responseIdInEvent(Buffer.from(event.data)))
      return answers.judgeEvent(event)
    },
  }
}
