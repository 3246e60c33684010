/**
 * Who set it: of each value that a choice was made by, the event that made it what it was.
 */
import { clientKeyStream, keyId } from '#contracts/ids.ts'
import type { UsageRecord } from '#contracts/usage/record.ts'
import type { StreamEntry, Trail, TrailEvent } from '../store/trail.ts'
import { trailWords } from '../audit/words.ts'
import { modelOf, providerOf, streamOf, type LoggedRoute } from './candidates.ts'

export type Cause = Readonly<{
  /** `weight of openai/gpt-4o in fast`. */
  what: string
  value: string
  /** The commit that made it so. */
  commitNo: number
  /** Epoch milliseconds. */
  at: number
  actor: StreamEntry['actor']
  reason: string | null
  words: string
}>

/** Reads one value out of an event; undefined: the event says nothing of it. */
type Reader = (event: TrailEvent) => unknown
type Field = Readonly<{ what: string; stream: string; read: Reader }>

/** Events read of one stream at most: a value set longer ago than that is told without its event. */
const MOST_EVENTS = 2_000

/** @param upTo the commit that the request was served by. */
export async function causesOf(
  trail: Pick<Trail, 'ofStream'>,
  record: UsageRecord,
  route: LoggedRoute,
  upTo: number,
): Promise<readonly Cause[]> {
  const byStream = Map.groupBy(fieldsOf(record, route), ({ stream }) => stream)
  const causes: Cause[] = []
  for (const [stream, fields] of byStream) {
    const entries = await trail.ofStream(stream, upTo, MOST_EVENTS)
    for (const { what, read } of fields) {
      const found = originOf(entries, read)
      // What was taken away again decides nothing.
      if (found === null || found.value === null) continue
      const { entry, value } = found
      const { commitNo, at, actor, reason, event } = entry
      causes.push({
        what,
        value: textOf(value),
        commitNo,
        at,
        actor,
        reason,
        words: trailWords(event, commitNo),
      })
    }
  }
  return causes
}

/** @returns the oldest of the newest events that all say the same; null: nobody has said anything. */
function originOf(
  entries: readonly StreamEntry[],
  read: Reader,
): Readonly<{ entry: StreamEntry; value: unknown }> | null {
  let origin: Readonly<{ entry: StreamEntry; value: unknown }> | null = null
  for (const entry of entries) {
    const value = read(entry.event)
    const isFirst = MADE.has(entry.event.type)
    if (value !== undefined) {
      if (origin !== null && textOf(origin.value) !== textOf(value)) return origin
      origin = { entry, value }
    }
    // What was before it was another entity of the same name.
    if (isFirst) return origin
  }
  return origin
}

const MADE: ReadonlySet<string> = new Set(['ProviderRegistered', 'LogicalModelCreated', 'ClientKeyIssued'])

function fieldsOf(record: UsageRecord, route: LoggedRoute): readonly Field[] {
  const { stream } = route
  const fields: Field[] = []
  for (const { deployment } of record.candidates) {
    const [provider, model] = [providerOf(deployment), modelOf(deployment)]
    const own = streamOf(deployment)
    if (stream !== null) {
      const of = `of ${deployment} in ${record.model}`
      fields.push({
        what: `weight ${of}`,
        stream,
        read: (event) => targetOf(event, provider, model, 'weight'),
      })
      fields.push({ what: `tier ${of}`, stream, read: (event) => targetOf(event, provider, model, 'tier') })
    } else fields.push({ what: `weight of ${provider}`, stream: own, read: routing('weight') })
    for (const name of ['maxQps', 'maxConcurrency', 'region', 'costInput', 'costOutput'])
      fields.push({ what: `${name} of ${provider}`, stream: own, read: routing(name) })
    fields.push({ what: `state of ${provider}`, stream: own, read: ({ type }) => STATES.get(type) })
  }
  if (stream !== null) {
    fields.push({ what: `strategy of ${record.model}`, stream, read: named('strategy') })
    fields.push({ what: `region of ${record.model}`, stream, read: named('region') })
  }
  const key = clientKeyStream(keyId(record.key))
  fields.push({ what: `scopes of key ${record.key}`, stream: key, read: named('scopes') })
  const seen = new Set<string>()
  return fields.filter(({ what }) => !seen.has(what) && seen.add(what))
}

const STATES: ReadonlyMap<string, string> = new Map([
  ['ProviderRegistered', 'enabled'],
  ['ProviderEnabled', 'enabled'],
  ['ProviderDisabled', 'disabled'],
  ['ProviderDrainStarted', 'draining'],
  ['ProviderDrainCancelled', 'enabled'],
])

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? new Map<string, unknown>(Object.entries(value)).get(name)
    : undefined

const named =
  (name: string): Reader =>
  ({ body }) =>
    memberOf(body, name)

/** Of the whole routing that every such event carries, also what is not in it was said. */
const routing =
  (name: string): Reader =>
  ({ type, body }) => {
    if (type === 'ProviderRegistered')
      return memberOf(memberOf(memberOf(body, 'definition'), 'routing'), name)
    if (type === 'ProviderRoutingSet') return memberOf(memberOf(body, 'routing'), name) ?? null
    return undefined
  }

function targetOf({ body }: TrailEvent, provider: string, model: string, name: 'weight' | 'tier'): unknown {
  const listed = memberOf(body, 'targets') ?? memberOf(body, 'weights')
  if (!Array.isArray(listed)) return undefined
  const target: unknown = listed.find(
    (one) => memberOf(one, 'provider') === provider && memberOf(one, 'model') === model,
  )
  return memberOf(target, name)
}

const textOf = (value: unknown): string =>
  value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)
