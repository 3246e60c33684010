/**
 * Which models there are: the list and single models, in the shape the caller's SDK reads, and LiteLLM's
 * `model/info`. From the snapshot alone: no provider is asked.
 */
import type { Problem } from '#contracts/errors.ts'
import { sha256 } from '#contracts/commit/hash.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { readCredential } from '../../admission/principal.ts'
import { modelsFor } from '../../admission/scope.ts'
import type { ClientExchange } from '../../listener/client-exchange.ts'
import { openaiModel } from '../../routing/model-list.ts'
import type { ModelEntry, ModelList } from '../../routing/snapshot.ts'
import { anthropicModel, anthropicPage, geminiModel, geminiPage, liteLlmInfo } from './shapes.ts'
import { Reply } from '../reply.ts'
import type { InferencePorts } from '../serve.ts'
import { TONGUE } from '../tongues.ts'

type ModelPorts = Pick<InferencePorts, 'holder' | 'authenticator' | 'clock' | 'newRequestId' | 'onSettled'>

/** Whose SDK is asking: three of them ask for the same address. */
type Shape = 'openai' | 'anthropic' | 'gemini'
const TONGUE_OF = { openai: 'openai-chat', anthropic: 'anthropic', gemini: 'gemini' } as const

const JSON_TYPE = 'application/json; charset=utf-8'

export function serveModelList(ports: ModelPorts, client: ClientExchange): void {
  answer(ports, client, (list, query) => {
    const asked = shapeOf(client, query)
    if (asked === 'openai') return ok(list)
    const page = asked === 'anthropic' ? anthropicPage(list, query) : geminiPage(list, query)
    return page.ok ? ok(tagged(page.value)) : page
  })
}

export function serveModel(ports: ModelPorts, client: ClientExchange, id: string): void {
  answer(ports, client, (list, query) => {
    const asked = shapeOf(client, query)
    const entry = list.byId.get(id) ?? (asked === 'gemini' ? list.byId.get(withoutResource(id)) : undefined)
    if (entry === undefined) {
      const message = `The model '${id.slice(0, 200)}' does not exist.`
      return err({ code: 'model_not_found', param: 'model', message })
    }
    return ok(tagged(SINGLE[asked](entry)))
  })
}

/** LiteLLM's, which Cline, Roo and others ask of what they take for a LiteLLM proxy. */
export function serveModelInfo(ports: ModelPorts, client: ClientExchange): void {
  answer(ports, client, (list) => ok(tagged(liteLlmInfo(list))))
}

const SINGLE: Readonly<Record<Shape, (entry: ModelEntry) => string>> = {
  openai: openaiModel,
  anthropic: anthropicModel,
  gemini: geminiModel,
}

/** Google's SDKs write names as resources. */
const withoutResource = (id: string): string => (id.startsWith('models/') ? id.slice('models/'.length) : id)

function shapeOf({ headers, url }: ClientExchange, query: URLSearchParams): Shape {
  if (url.startsWith('/v1beta/')) return 'gemini'
  if (headers.get('anthropic-version') !== undefined) return 'anthropic'
  const isGemini =
    headers.get('x-goog-api-key') !== undefined ||
    headers.get('x-goog-api-client') !== undefined ||
    query.has('key')
  return isGemini ? 'gemini' : 'openai'
}

type Answer = Readonly<{ body: Buffer; etag: string }>

function tagged(text: string): Answer {
  const body = Buffer.from(text)
  return { body, etag: `"${sha256(body).toString('base64url').slice(0, 22)}"` }
}

function answer(
  ports: ModelPorts,
  client: ClientExchange,
  make: (list: ModelList, query: URLSearchParams) => Result<Answer, Problem>,
): void {
  const reply = new Reply(client, ports.newRequestId(), TONGUE[TONGUE_OF[shapeOf(client, queryOf(client))]])
  const list = visible(ports, client)
  const made = list.ok ? make(list.value, queryOf(client)) : list
  if (!made.ok) reply.fail(made.error)
  else if (client.headers.get('if-none-match') === made.value.etag) reply.notModified(made.value.etag)
  else reply.send(JSON_TYPE, made.value.body, ['etag', made.value.etag])
  ports.onSettled(reply.status)
}

function queryOf({ url }: ClientExchange): URLSearchParams {
  const mark = url.indexOf('?')
  return new URLSearchParams(mark === -1 ? '' : url.slice(mark))
}

/** What the caller may see. */
function visible(
  { holder, authenticator, clock }: ModelPorts,
  client: ClientExchange,
): Result<ModelList, Problem> {
  const snapshot = holder.current
  if (snapshot === null) return err({ code: 'not_ready' })
  const credential = readCredential(client)
  if (!credential.ok) return credential
  const principal = authenticator.authenticate(snapshot, credential.value, clock.now())
  return principal.ok ? ok(modelsFor(principal.value, snapshot)) : principal
}
