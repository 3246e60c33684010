/**
 * V8's collector, told what it cannot know of a gateway: that bodies of requests are large, many and gone soon.
 *
 * A body's bytes lie outside V8's heap, and V8 collects its young objects when those objects are many: of
 * requests with large bodies they are few, and what the bodies hold then runs into the limit at which the
 * whole heap is marked. With bodies of 100 KB that was every 80 requests, and 200 us for each of them. A
 * collection of the young generation alone finds the same garbage in about a millisecond, so it is asked for
 * once for every so many bytes of bodies.
 *
 * State of the process, because its heap is.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Well below the 64 MB or so at which V8 would begin to mark, also while a body still has a copy; in bytes. */
const SWEEP_EVERY_BYTES = 12 * 1024 * 1024

let bytesSinceSweep = 0
let sweep: (() => void) | null = null

/** Told of each request's body when it has been read. */
export function countBody(bytes: number): void {
  bytesSinceSweep += bytes
  if (bytesSinceSweep < SWEEP_EVERY_BYTES) return
  bytesSinceSweep = 0
  sweep ??= youngCollection()
  sweep()
}

/** A nursery that has shrunk is as large as it may be the first time it grows: 1 MB to 16 MB. */
const NURSERY_GROWTH = 16
/** Collections that compiled code outlives though nothing is left of the kind of objects it is for. */
const KEPT_COLLECTIONS = 1_000

/** Read by V8 whenever they matter, not only when it starts. */
export const ROOMY_HEAP = [
  '--memory-reducer-gc-count=0',
  `--retain-maps-for-n-gc=${KEPT_COLLECTIONS}`,
  '--heap-growing-percent=100',
  `--semi-space-growth-factor=${NURSERY_GROWTH}`,
] as const

/**
 * For a process that does nothing else. After ten idle seconds V8 makes the heap as tight as it can, and lets it grow
 * by a little only while it is: with bodies of 100 KB the whole heap was then marked every 200 requests, at more than
 * twice the cost of a request, for as long as the load went on. With the tight heap goes all code that was compiled
 * for objects of which none is alive just then: requests, answers and whatever is made for them. What comes next
 * costs up to twice as much, until all of it is compiled again: some 10 000 requests. So V8 is told to collect
 * nothing on its own account while nobody asks, and to keep what it compiled. (`--no-memory-reducer` is read only when V8 starts.)
 *
 * The young generation is made small likewise, and doubles only once as much has survived in it: at 500 requests a
 * second that was a collection every 25 requests for half a minute.
 */
export function keepHeapRoomy(): void {
  for (const flag of ROOMY_HEAP) setFlagsFromString(flag)
}

/** V8 lends its collector to contexts that are made while this flag is on, and to no others. */
function youngCollection(): () => void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect !== 'function') return () => undefined
  return () => void Reflect.apply(collect, undefined, [{ type: 'minor' }])
}
