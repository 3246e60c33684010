/**
 * Subscriptions over server-sent events, as tRPC writes them, for programs without an `EventSource` that can
 * send a credential.
 *
 * A connection that breaks ends the subscription with an error: whoever begins again is told everything anew.
 */
import { TRPCClientError, type TRPCLink } from '@trpc/client'
import { observable } from '@trpc/server/observable'
import { EventSourceParserStream, type EventSourceMessage } from 'eventsource-parser/stream'
import type { AdminRouter } from './router.ts'

/** The control plane gives a sign of life every 5 s; without one for this long it is gone. */
const SILENCE_MS = 20_000
/** Of one event, in characters. */
const LONGEST_EVENT = 8 * 1024 * 1024

type Told = Readonly<{
  onStarted: () => void
  onData: (data: unknown) => void
}>

export const eventStreamLink =
  (base: string, token: string): TRPCLink<AdminRouter> =>
  () =>
  ({ op }) =>
    observable((observer) => {
      const ended = new AbortController()
      const signal = AbortSignal.any([ended.signal, op.signal ?? []].flat())
      const url = `${base}/${op.path}?input=${encodeURIComponent(JSON.stringify(op.input ?? {}))}`
      const told: Told = {
        onStarted: () => observer.next({ result: { type: 'started' } }),
        onData: (data) => observer.next({ result: { type: 'data', data } }),
      }
      follow(url, token, signal, told).then(
        () => {
          observer.next({ result: { type: 'stopped' } })
          observer.complete()
        },
        (error: unknown) => {
          if (!signal.aborted) observer.error(asClientError(error))
        },
      )
      return () => ended.abort()
    })

/** Resolves when the other side says that nothing more comes. */
async function follow(url: string, token: string, signal: AbortSignal, told: Told): Promise<void> {
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(), SILENCE_MS)
  try {
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      signal: AbortSignal.any([signal, silence.signal]),
    })
    if (!response.ok || response.body === null) throw asClientError(await response.json())
    const events = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream({ maxBufferSize: LONGEST_EVENT }))
    for await (const event of events) {
      timer.refresh()
      if (isLast(event, told)) return
    }
    throw new TRPCClientError('the control plane broke off')
  } catch (error) {
    if (silence.signal.aborted) throw new TRPCClientError(`nothing was heard for ${SILENCE_MS} ms`)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** @returns whether nothing more comes. Throws what the other side says went wrong. */
function isLast({ event, data }: EventSourceMessage, told: Told): boolean {
  switch (event) {
    case 'connected':
      told.onStarted()
      return false
    case undefined:
    case '':
      told.onData(JSON.parse(data))
      return false
    case 'serialized-error':
      throw asClientError({ error: JSON.parse(data) })
    default:
      return event === 'return'
  }
}

/** @param cause what was thrown, or what the other side says in tRPC's words. */
const asClientError = (cause: unknown): TRPCClientError<AdminRouter> =>
  TRPCClientError.from(typeof cause === 'object' && cause !== null ? cause : new Error(String(cause)))
