/**
 * Tells the control plane how far this node is: every few seconds, and at once when it has moved.
 *
 * Over the bus while that works; otherwise, or when the bus seems to reach nobody, over the control link.
 */
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import type { Bus } from '#contracts/bus/bus.ts'
import type { Subjects } from '#contracts/bus/subjects.ts'
import type { ControlLink } from '#contracts/fleet/link.ts'
import { encodeNodeReport, REPORT_INTERVAL_MS, type NodeReport } from '#contracts/fleet/report.ts'
import type { NodeId } from '#contracts/ids.ts'
import type { Clock, Random } from '#contracts/process/clock.ts'
import type { CatalogFollower } from './follow-catalog.ts'
import type { Problems } from './problems.ts'
import { askWithin } from './waits.ts'

export type ReportPorts = Readonly<{
  bus: Pick<Bus, 'publish'>
  subjects: Pick<Subjects, 'report'>
  link: Pick<ControlLink, 'report'>
  follower: Pick<CatalogFollower, 'readout' | 'onMoved'>
  node: NodeId
  /** New with every start of the process. */
  boot: string
  build: string
  /** Is the node taking traffic? False while it drains. */
  isAccepting: () => boolean
  clock: Clock
  random: Random
  problems: Problems
}>

/** At most 25 reports a second, however fast the watermarks move. */
const INTERVAL_MS = 40
/** So much sooner than that, after a quiet time: one late report must not make all that follow wait. */
const AHEAD_MS = 100
/** What nobody waits for is told with the next report, and after this long at the latest, in milliseconds. */
const SOON_MS = 500
/** For one report over the control link, in milliseconds. */
const SEND_MS = 2_000
/** A report names the first refusals only. */
const MOST_NACKS = 10

export class Reporter implements Disposable {
  readonly #ports: ReportPorts
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | undefined
  /** When the next report may be sent, and when it will be; monotonic milliseconds. */
  #notBefore = -Infinity
  #dueAt = Infinity
  /** What the last report said of what is told at once, and of what is told soon. */
  #told = ''
  #toldPersisted = 0
  #isSending = false

  constructor(ports: ReportPorts) {
    this.#ports = ports
    ports.follower.onMoved(() => this.#moved())
    this.#send()
  }

  /** Reports now: the node has begun or ended to take traffic. */
  tell(): void {
    this.#sendIn(0)
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
    clearTimeout(this.#timer)
  }

  #moved(): void {
    const report = this.#report()
    if (toldAtOnce(report) !== this.#told) this.#sendIn(0)
    else if (report.persisted !== this.#toldPersisted) this.#sendIn(SOON_MS)
  }

  /** @param ms unless a report is due before. */
  #sendIn(ms: number): void {
    if (this.#stop.signal.aborted) return
    const now = this.#ports.clock.monotonic()
    const at = Math.max(now + ms, this.#notBefore)
    if (at >= this.#dueAt) return
    if (at > now) this.#schedule(at - now)
    else this.#send()
  }

  #schedule(ms: number): void {
    this.#dueAt = this.#ports.clock.monotonic() + ms
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#send(), ms)
  }

  #report(): NodeReport {
    const { follower, node, boot, build, isAccepting } = this.#ports
    const { epoch, received, applied, persisted, served, digest, link, nacks } = follower.readout()
    const watermarks = { epoch, received, applied, persisted, served, digest }
    const who = { v: 1, node, boot, build, foldVersion: FOLD_VERSION } as const
    return { ...who, ...watermarks, link, nacks: nacks.slice(0, MOST_NACKS), accepting: isAccepting() }
  }

  #send(): void {
    const { bus, subjects, node, clock, random } = this.#ports
    const report = this.#report()
    this.#notBefore = Math.max(this.#notBefore, clock.monotonic() - AHEAD_MS) + INTERVAL_MS
    this.#told = toldAtOnce(report)
    this.#toldPersisted = report.persisted
    // Jittered, so that a fleet started together does not report together.
    this.#schedule(REPORT_INTERVAL_MS * (0.8 + random() * 0.2))
    const isPublished = bus.publish(subjects.report(node), encodeNodeReport(report))
    if (!isPublished || report.link !== 'bus') void this.#sendOverLink(report)
  }

  /** One at a time; what moves meanwhile is told by the next. */
  async #sendOverLink(report: NodeReport): Promise<void> {
    if (this.#isSending) {
      this.#told = ''
      return
    }
    const { link, problems } = this.#ports
    this.#isSending = true
    try {
      await askWithin(SEND_MS, this.#stop.signal, (signal) => link.report(report, signal))
    } catch (error) {
      if (!this.#stop.signal.aborted) problems.note('report_failed', { error })
    }
    this.#isSending = false
    this.#moved()
  }
}

const toldAtOnce = ({ served, nacks, accepting }: NodeReport): string =>
  JSON.stringify([served, nacks, accepting])
