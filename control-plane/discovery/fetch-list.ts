/**
 * Asks a provider for its whole model list: page by page, bounded in time, size and number, and to no address
 * the provider may not have.
 */
import { request, type Dispatcher } from 'undici'
import { MOST_LISTED_MODELS, type ListedModel } from '#contracts/catalog/facts/listed-model.ts'
import { endpointsOf } from '#contracts/catalog/endpoints.ts'
import type { Provider, ProviderKind } from '#contracts/catalog/provider.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { Secret } from '#contracts/security/secret.ts'
import { readPage } from './read-page.ts'

/** Of all pages together, in bytes. OpenRouter's whole list is about 0.6 MB. */
const MOST_BYTES = 8 * 1024 * 1024
const MOST_PAGES = 100

export type ListQuestion = Readonly<{
  definition: Provider['definition']
  /** Null: the provider wants none. */
  secret: Secret | null
  dispatcher: Dispatcher
  signal: AbortSignal
}>

export type ListFailure = Readonly<{
  /** For people; holds nothing the provider sent. */
  reason: string
  /** Was it the credential's fault? Then another one may do. */
  isRefused: boolean
}>

/** What makes pages as large as they can be. */
const PAGE_SIZE: Readonly<Record<ProviderKind, Readonly<Record<string, string>>>> = {
  openai: {},
  anthropic: { limit: '1000' },
  gemini: { pageSize: '1000' },
}

export async function fetchList(
  question: ListQuestion,
): Promise<Result<readonly ListedModel[], ListFailure>> {
  const { kind } = question.definition
  const models = new Map<string, ListedModel>()
  let left = MOST_BYTES
  let next: Readonly<Record<string, string>> | null = {}
  let cursor = ''
  for (let pages = 0; next !== null; pages++) {
    // Who names the same page again, or goes on for ever, is not followed.
    if (pages > 0 && (JSON.stringify(next) === cursor || pages >= MOST_PAGES))
      return failed('the list does not end')
    cursor = JSON.stringify(next)
    const answer = await fetchPage(question, { ...PAGE_SIZE[kind], ...next }, left)
    if (!answer.ok) return answer
    left -= answer.value.length
    const page = readPage(kind, answer.value)
    if (!page.ok) return failed(`the answer ${page.error}`)
    for (const model of page.value.models) if (!models.has(model.id)) models.set(model.id, model)
    next = models.size >= MOST_LISTED_MODELS ? null : page.value.next
  }
  return ok([...models.values()].slice(0, MOST_LISTED_MODELS))
}

const failed = (reason: string, isRefused = false): Result<never, ListFailure> => err({ reason, isRefused })

async function fetchPage(
  { definition, secret, dispatcher, signal }: ListQuestion,
  query: Readonly<Record<string, string>>,
  mostBytes: number,
): Promise<Result<string, ListFailure>> {
  const { kind, baseUrl, models } = definition
  const { origin, modelList, credential } = endpointsOf(kind, baseUrl)
  const url = new URL(origin + modelList(models.path))
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  const headers = {
    accept: 'application/json',
    'accept-encoding': 'identity',
    'user-agent': 'apiproxy',
    ...(kind === 'anthropic' ? { 'anthropic-version': '2023-06-01' } : {}),
    ...(secret === null ? {} : Object.fromEntries([credential(secret.reveal())])),
  }
  try {
    const answer = await request(url, { method: 'GET', headers, dispatcher, signal })
    const { statusCode: status } = answer
    if (status < 200 || status > 299) {
      await answer.body.dump()
      return failed(`answered ${status}`, status === 401 || status === 403)
    }
    return await readUpTo(answer.body, mostBytes)
  } catch (error) {
    return failed(describe(error, signal))
  }
}

async function readUpTo(body: AsyncIterable<Buffer>, most: number): Promise<Result<string, ListFailure>> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > most) return failed('the list is too large')
    chunks.push(chunk)
  }
  return ok(Buffer.concat(chunks).toString())
}

/** The code of a network error names the fault and nothing else. */
function describe(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'did not answer in time'
  if (!(error instanceof Error)) return 'failed'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return code === 'APIPROXY_EGRESS' ? error.message : `failed: ${code}`
}
