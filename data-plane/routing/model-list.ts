/**
 * The answer of `GET /v1/models`, made when the snapshot is compiled: every name a client may use, once.
 *
 * Pure in effect. Logical models, their aliases, and the models providers list.
 */
import { sha256 } from '#contracts/commit/hash.ts'
import type { ModelList, Route } from './snapshot.ts'

/** OpenAI's `model` object wants a creation time. Ours is a fixed past date: an unknown time is not now. */
const CREATED = 1_700_000_000

export function modelList(routes: ReadonlyMap<string, Route>, previous: ModelList | null): ModelList {
  const entries = [...routes].map(([id, route]): [string, string] => {
    const owner = route.logical ? 'apiproxy' : (route.candidates[0]?.deployment.provider ?? 'apiproxy')
    return [id, JSON.stringify({ id, object: 'model', created: CREATED, owned_by: owner })]
  })
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  const body = Buffer.from(`{"object":"list","data":[${entries.map(([, json]) => json).join(',')}]}`)
  const etag = `"${sha256(body).toString('base64url').slice(0, 22)}"`
  if (previous?.etag === etag) return previous
  return { body, etag, byId: new Map(entries.map(([id, json]) => [id, Buffer.from(json)])) }
}
