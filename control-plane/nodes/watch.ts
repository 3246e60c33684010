/**
 * The fleet as it changes, for whoever looks at it.
 *
 * What is told is what changed since the last time that was told: nothing is queued for a reader who is slow,
 * it misses what came and went meanwhile.
 */
import type { Clock } from '#contracts/process/clock.ts'
import type { Fleet, NodeView } from './fleet.ts'

export type FleetChange = Readonly<{
  /** Epoch milliseconds. */
  at: number
  /** Last commit of the log. */
  head: number
  /** Nodes that are not as they were told last; at first all there are. */
  nodes: readonly NodeView[]
  /** Nodes that are not known any more. */
  gone: readonly string[]
}>

export type WatchPorts = Readonly<{
  fleet: Pick<Fleet, 'list' | 'watch' | 'head'>
  clock: Clock
}>

/** What no report says, a node's silence for instance, is looked for so often. */
const LOOK_MS = 500

/** Begins with the whole fleet; ends when the signal says so. */
export async function* watchFleet(
  { fleet, clock }: WatchPorts,
  signal: AbortSignal,
): AsyncGenerator<FleetChange, void> {
  let told = new Map<string, string>()
  let isFirst = true
  let [isMoved, wake] = [false, (): void => undefined]
  const unwatch = fleet.watch(() => {
    isMoved = true
    wake()
  })
  try {
    while (!signal.aborted) {
      isMoved = false
      const views = fleet.list()
      const now = new Map(views.map((view) => [view.report.node, essence(view)]))
      const nodes = views.filter(({ report }) => told.get(report.node) !== now.get(report.node))
      const gone = [...told.keys()].filter((node) => !now.has(node))
      told = now
      if (isFirst || nodes.length > 0 || gone.length > 0)
        yield { at: clock.now(), head: fleet.head, nodes, gone }
      isFirst = false
      await new Promise<void>((resolve) => {
        // Something came while the last was read.
        if (isMoved || signal.aborted) return resolve()
        const timer = setTimeout(done, LOOK_MS)
        function done(): void {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          resolve()
        }
        wake = done
        signal.addEventListener('abort', done)
      })
    }
  } finally {
    unwatch()
  }
}

/** All of a node but when it was heard of last, and how old its configuration is. */
function essence({ state, lag, report }: NodeView): string {
  const { boot, build, applied, persisted, served, digest, nacks, link } = report
  return JSON.stringify([state, lag, boot, build, applied, persisted, served, digest, nacks, link])
}
