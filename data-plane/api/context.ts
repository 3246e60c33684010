/**
 * Sessions that can be looked at: what was said in them (`sessions/recorder.ts`) is told to the key it was said
 * with, and to nobody else.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { ClientExchange } from '../listener/client-exchange.ts'
import { readCredential } from '../admission/principal.ts'
import { isObject, parseJson, type JsonObject } from '../dialects/canonical/json.ts'
import { isSessionId, isTurnOf, type ContextScope } from '../sessions/context.ts'
import { Reply } from './reply.ts'
import type { InferencePorts } from './serve.ts'
import { TONGUE } from './tongues.ts'

type ContextPorts = Pick<
  InferencePorts,
  'holder' | 'authenticator' | 'clock' | 'newRequestId' | 'onSettled' | 'context'
>

const MOST_TURNS = 100
const USUAL_TURNS = 20

/** `GET` and `DELETE` of one session of the caller's. Of another key's nothing is told, not even that it is. */
export async function serveContext(
  ports: ContextPorts,
  client: ClientExchange,
  session: string,
): Promise<void> {
  const reply = new Reply(client, ports.newRequestId(), TONGUE['openai-chat'])
  const answer = await (client.method === 'DELETE' ? forget : read)(ports, client, session)
  if (answer.ok) reply.send('application/json; charset=utf-8', Buffer.from(JSON.stringify(answer.value)))
  else reply.fail(answer.error)
  ports.onSettled(reply.status)
}

type Answer = Promise<Result<JsonObject, Problem>>

async function forget(ports: ContextPorts, client: ClientExchange, session: string): Answer {
  const scope = scopeOf(ports, client, session)
  if (!scope.ok) return scope
  const found = (await ports.context?.forget(scope.value)) ?? null
  if (found === null) return err({ code: 'context_unavailable' })
  return found ? ok({ id: session, object: 'session.deleted', deleted: true }) : err(UNKNOWN)
}

async function read(ports: ContextPorts, client: ClientExchange, session: string): Answer {
  const scope = scopeOf(ports, client, session)
  if (!scope.ok) return scope
  const page = pageOf(client.url)
  if (!page.ok) return page
  const texts = (await ports.context?.read(scope.value)) ?? null
  if (texts === null) return err({ code: 'context_unavailable' })
  if (texts.length === 0) return err(UNKNOWN)
  return ok({ id: session, object: 'session', ...turnsOn(page.value, texts) })
}

const UNKNOWN: Problem = { code: 'session_not_found' }

function scopeOf(
  { holder, authenticator, clock, context }: ContextPorts,
  client: ClientExchange,
  session: string,
): Result<ContextScope, Problem> {
  const snapshot = holder.current
  if (snapshot === null) return err({ code: 'not_ready' })
  const credential = readCredential(client)
  if (!credential.ok) return credential
  const principal = authenticator.authenticate(snapshot, credential.value, clock.now())
  if (!principal.ok) return principal
  if (context === null || !isSessionId(session)) return err(UNKNOWN)
  return ok({ key: principal.value.keyId, session })
}

type Page = Readonly<{ limit: number; after: string | null; isNewestFirst: boolean }>

function pageOf(url: string): Result<Page, Problem> {
  const query = new URLSearchParams(url.split('?')[1] ?? '')
  const limit = query.get('limit') ?? String(USUAL_TURNS)
  const order = query.get('order') ?? 'asc'
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > MOST_TURNS)
    return err({ code: 'invalid_value', param: 'limit', message: `'limit' must be 1 to ${MOST_TURNS}.` })
  if (order !== 'asc' && order !== 'desc')
    return err({ code: 'invalid_value', param: 'order', message: "'order' must be 'asc' or 'desc'." })
  return ok({ limit: Number(limit), after: query.get('after'), isNewestFirst: order === 'desc' })
}

/**
 * OpenAI's way of paging. A turn that is not there any more was older than all that are: behind it come all of them,
 * or none, newest first. What is not on the page is not read.
 */
function turnsOn({ limit, after, isNewestFirst }: Page, turns: readonly string[]): JsonObject {
  const ordered = isNewestFirst ? turns.toReversed() : turns
  const place = after === null ? -1 : ordered.findIndex((turn) => isTurnOf(turn, after))
  const from = after !== null && place === -1 && isNewestFirst ? ordered.length : place + 1
  const data = ordered
    .slice(from, from + limit)
    .map(parseJson)
    .filter(isObject)
  return {
    data,
    first_id: data[0]?.['id'] ?? null,
    last_id: data.at(-1)?.['id'] ?? null,
    has_more: ordered.length > from + limit,
  }
}
