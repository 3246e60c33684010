/**
 * The control plane's two halves of the conversation on the bus: it says how far the log is, and hears how
 * far the nodes are.
 */
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import type { Bus, Unsubscribe } from '#contracts/bus/bus.ts'
import type { Subjects } from '#contracts/bus/subjects.ts'
import { HEAD_INTERVAL_MS, type Head } from '#contracts/fleet/link.ts'
import { decodeNodeReport } from '#contracts/fleet/report.ts'
import type { Ledger } from '../commands/ledger.ts'
import type { Fleet } from './fleet.ts'

export type HeartbeatPorts = Readonly<{ bus: Bus; subjects: Subjects; ledger: Ledger; fleet: Fleet }>

export class Heartbeat implements Disposable {
  readonly #ports: HeartbeatPorts
  readonly #timer: NodeJS.Timeout
  readonly #unsubscribe: Unsubscribe
  #garbled = 0

  constructor(ports: HeartbeatPorts) {
    this.#ports = ports
    this.#timer = setInterval(() => this.#sayHead(), HEAD_INTERVAL_MS)
    this.#unsubscribe = ports.bus.subscribe(ports.subjects.everyReport, (text) => {
      const report = decodeNodeReport(text)
      if (report.ok) ports.fleet.onReport(report.value)
      else this.#garbled += 1
    })
  }

  /** Reports that could not be read. */
  get garbled(): number {
    return this.#garbled
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#unsubscribe()
  }

  #sayHead(): void {
    const { bus, subjects, ledger, fleet } = this.#ports
    const { catalog, chain, digest } = ledger.snapshot
    // Who was left behind by the floor does not know how far the log is.
    if (catalog.commit === 0 || ledger.stop !== null) return
    const { epoch, commit } = catalog
    const state = { digest, foldVersion: FOLD_VERSION }
    const head: Head = { v: 1, epoch, commit, chain, ...state, nodes: fleet.live }
    bus.publish(subjects.head, JSON.stringify(head))
  }
}
