/**
 * Plays one behaviour on one HTTP exchange: waits, sends, falls silent, breaks off.
 */
import type { ServerResponse } from 'node:http'
import type { Behaviour } from './behaviour.ts'

/** The usual answer to the request, which a behaviour may replace or spoil. */
export type Answer = Readonly<{ contentType: string; pieces: readonly string[] }>

/**
 * @param gone aborts when the client has left: nothing waits any longer then.
 * @returns 'cut' when we broke the connection ourselves.
 */
export async function play(
  behaviour: Behaviour,
  answer: Answer,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<'answered' | 'cut'> {
  const { cut, hang, comments } = behaviour
  await pause(behaviour.beforeHeadersMs, gone)
  if (hang === 'before-headers') await pause(Infinity, gone)
  if (cut?.at === 'before-headers') return breakOff(response, cut.how)

  const pieces = bodyPieces(behaviour, answer)
  writeHead(behaviour, answer, pieces, response)
  if (hang === 'after-headers') await pause(Infinity, gone)
  if (comments !== undefined) await trickle(comments, response, gone)

  await pause(behaviour.beforeFirstPieceMs, gone)
  let left = typeof cut?.at === 'number' ? cut.at : Infinity
  for (const [index, piece] of pieces.entries()) {
    if (hang === index) await pause(Infinity, gone)
    if (index > 0) await pause(behaviour.betweenPiecesMs, gone)
    if (gone.aborted) return 'answered'
    const bytes = Buffer.from(piece)
    await write(response, bytes.subarray(0, left))
    left -= bytes.length
    if (left <= 0) return breakOff(response, cut?.how)
  }
  if (hang === pieces.length) await pause(Infinity, gone)
  response.end()
  return 'answered'
}

async function trickle(
  { everyMs, count = Infinity }: NonNullable<Behaviour['comments']>,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  for (let sent = 0; sent < count && !gone.aborted; sent++) {
    await pause(everyMs, gone)
    response.write(': still thinking\n\n')
  }
}

function bodyPieces({ body }: Behaviour, answer: Answer): readonly string[] {
  if (body === undefined) return answer.pieces
  return typeof body === 'string' ? [body] : body
}

function writeHead(
  behaviour: Behaviour,
  answer: Answer,
  pieces: readonly string[],
  response: ServerResponse,
): void {
  const contentType = behaviour.body === undefined ? answer.contentType : 'application/json'
  const headers: Record<string, string | number> = { 'content-type': contentType, ...behaviour.headers }
  // A body whose length is announced and one that is sent in chunks break in different ways.
  if (!String(headers['content-type']).startsWith('text/event-stream')) {
    headers['content-length'] ??= Buffer.byteLength(pieces.join(''))
  }
  if (behaviour.closeAfter === true) headers['connection'] = 'close'
  response.writeHead(behaviour.status ?? 200, headers)
  response.flushHeaders()
}

function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  if (bytes.length === 0) return Promise.resolve()
  // Called back when the kernel has it, or when the client has left.
  return new Promise((resolve) => response.write(bytes, () => resolve()))
}

function breakOff(response: ServerResponse, how: 'close' | 'reset' = 'close'): 'cut' {
  if (how === 'reset') response.socket?.resetAndDestroy()
  else response.socket?.destroy()
  return 'cut'
}

function pause(ms: number | undefined, gone: AbortSignal): Promise<void> {
  if (ms === undefined || ms <= 0 || gone.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = ms === Infinity ? undefined : setTimeout(finish, ms)
    function finish(): void {
      clearTimeout(timer)
      gone.removeEventListener('abort', finish)
      resolve()
    }
    gone.addEventListener('abort', finish)
  })
}
