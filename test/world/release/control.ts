/**
 * A control plane without its listener: what `control-plane/app.ts` puts together, on the ports of a world.
 *
 * Loaded once for every release of the product that a world runs.
 */
import type { Bus } from '#contracts/bus/bus.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { MasterKey } from '#contracts/security/master-key.ts'
import { Ledger } from '#control-plane/commands/ledger.ts'
import { Fleet } from '#control-plane/nodes/fleet.ts'
import { Heartbeat } from '#control-plane/nodes/heartbeat.ts'
import { NodeLink, type NodeLinkPorts } from '#control-plane/nodes/link.ts'
import { relayOf } from '#control-plane/relay/relay-of.ts'
import type { Relay } from '#control-plane/relay/relay.ts'
import { prepareAppend } from '#control-plane/store/event-log.ts'
import type { Database } from '../parts/database.ts'
import type { Life } from '../parts/time.ts'

export type ControlPorts = Readonly<{
  life: Life
  database: Database
  bus: Bus
  keys: MasterKey
  clock: Clock
  logger: Logger
}>

export type RunningControl = Readonly<{
  foldVersion: number
  ledger: Ledger
  fleet: Fleet
  link: NodeLink
  /** Null until the log was read. */
  relay: () => Relay | null
  /** Reports that it could not read. */
  garbled: () => number
}>

/** As in `app.ts`, in milliseconds. */
const FOLLOW_MS = 250
const RETRY_MS = 1_000
const PREFIX = 'world'

/** Nobody spends anything in these worlds. */
const NO_BUDGETS: NodeLinkPorts['budgets'] = {
  ask: () => Promise.reject(new Error('there are no budgets in this world')),
}

/** Begins to open the log; never waits. */
export function startControl({ life, database, bus, keys, clock, logger }: ControlPorts): RunningControl {
  const log = database.open(life, prepareAppend)
  const ledger = new Ledger(log, clock)
  const fleet = new Fleet(ledger, clock)
  ledger.onCommits((wires) => fleet.propagation.heard(wires))
  const link = new NodeLink({ ledger, log, fleet, key: keys.commits, lists: () => [], budgets: NO_BUDGETS })
  let relay: Relay | null = null
  let heartbeat: Heartbeat | null = null
  const opens = async (): Promise<void> => {
    while (!(await reads(ledger))) await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    relay = relayOf({ stream: bus.commits, ledger, log, key: keys.commits, logger })
    heartbeat = new Heartbeat({ bus, subjects: subjectsOf(PREFIX), ledger, fleet })
    let isReading = false
    setInterval(() => {
      if (isReading) return
      isReading = true
      void reads(ledger).then(() => (isReading = false))
    }, FOLLOW_MS)
  }
  void opens()
  return {
    foldVersion: FOLD_VERSION,
    ledger,
    fleet,
    link,
    relay: () => relay,
    garbled: () => heartbeat?.garbled ?? 0,
  }
}

const reads = (ledger: Ledger): Promise<boolean> =>
  ledger.catchUp().then(
    () => true,
    () => false,
  )
