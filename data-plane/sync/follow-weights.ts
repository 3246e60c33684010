/**
 * Takes the prober's weight tables: as they are said on the bus, and the last one said while we were away.
 *
 * A table is believed for its signature and taken for its number (`WeightFactors`); everything else is
 * counted and ignored.
 */
import type { Bus, Unsubscribe } from '#contracts/bus/bus.ts'
import type { Subjects } from '#contracts/bus/subjects.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { openTable, WEIGHTS_REGISTER } from '#contracts/weights/table.ts'
import type { WeightFactors } from '../routing/factors.ts'
import type { Problems } from './problems.ts'

export type WeightsPorts = Readonly<{
  bus: Bus
  subjects: Pick<Subjects, 'weights'>
  factors: Pick<WeightFactors, 'accept'>
  /** `MasterKey.weights`. */
  key: Uint8Array
  clock: Clock
  problems: Problems
}>

/** Begins at once; ends when disposed. */
export function followWeights(ports: WeightsPorts): Disposable {
  const { bus, subjects } = ports
  let isEnded = false
  const catchUp = async (): Promise<void> => {
    try {
      const register = await bus.registers.get(WEIGHTS_REGISTER)
      if (register !== null && !isEnded) takeStored(ports, register.value)
    } catch {
      // The broker cannot be asked: the next table comes by itself within seconds.
    }
  }
  const subscriptions: readonly Unsubscribe[] = [
    bus.subscribe(subjects.weights, (text) => take(ports, text, 0)),
    bus.onStatus((connected) => {
      if (connected) void catchUp()
    }),
  ]
  if (bus.connected) void catchUp()
  return {
    [Symbol.dispose]: () => {
      isEnded = true
      for (const unsubscribe of subscriptions) unsubscribe()
    },
  }
}

/** A stored table may be hours old: it counts from when it was written, as far as the clocks agree. */
function takeStored(ports: WeightsPorts, text: string): void {
  const table = openTable(text, ports.key)
  take(ports, text, table.ok ? Math.max(0, ports.clock.now() - table.value.at) : 0)
}

function take({ factors, key, clock, problems }: WeightsPorts, text: string, ageMs: number): void {
  const table = openTable(text, key)
  if (!table.ok) problems.note('weights_refused', { reason: table.error })
  else if (!factors.accept(table.value, clock.monotonic() - ageMs))
    problems.note('weights_stale', { seq: table.value.seq })
}
