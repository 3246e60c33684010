/**
 * One node's health with a clock that is moved and dice that are set, and the usual things that happen to a
 * deployment.
 */
import { ManualClock } from '#contracts/process/clock.ts'
import type { TelemetryEdge } from '#contracts/telemetry/report.ts'
import type { WeightDetail } from '#contracts/weights/table.ts'
import { WeightFactors } from '#data-plane/routing/factors.ts'
import type { Standing } from '#contracts/routing/standing.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import type { Deployment, Lane } from '#data-plane/routing/snapshot.ts'
import { failure, type Failure } from '#data-plane/upstream/classify.ts'
import { Health, type Ask } from '#data-plane/upstream/health/health.ts'
import type { Ticket } from '#data-plane/upstream/health/ticket.ts'

export const FAULT = failure('fault')
export const SSE: Ask = { mode: 'sse', size: 0 }

export class HealthRig {
  readonly clock = new ManualClock(1_000_000)
  readonly edges: TelemetryEdge[] = []
  readonly slots = new Slots()
  readonly factors = new WeightFactors(this.slots)
  /** In the middle: what is drawn lasts as long as its base says. */
  draw = 0.5
  readonly health = new Health({
    factors: this.factors,
    random: () => this.draw,
    onEdge: (edge) => void this.edges.push(edge),
  })
  #tables = 0

  readonly standing = (target: Deployment, ask = SSE): Standing =>
    this.health.standing(target, ask, this.clock.monotonic())

  readonly begin = (target: Deployment, ask = SSE, lane: Lane = target.lanes[0]!): Ticket =>
    this.health.begin(target, lane, ask, 'cold', this.clock.monotonic())

  readonly end = (ticket: Ticket, why: Failure | null): void =>
    void this.health.end(ticket, why, null, this.clock.monotonic())

  readonly fail = (target: Deployment, why: Failure = FAULT, times = 1): void => {
    for (let time = 0; time < times; time++) this.end(this.begin(target), why)
  }

  readonly answer = (target: Deployment, ms = 100, ask = SSE): void => {
    const ticket = this.begin(target, ask)
    this.clock.advance(ms)
    this.health.first(ticket, ms, this.clock.monotonic())
    this.end(ticket, null)
  }

  readonly answers = (target: Deployment, times: number, ms = 100): void => {
    for (let time = 0; time < times; time++) this.answer(target, ms)
  }

  /** How long it is out from now, in milliseconds. */
  readonly outMs = (target: Deployment): number => {
    const start = this.clock.monotonic()
    let ms = 0
    while (this.health.standing(target, SSE, start + ms).out !== null) ms += 1
    return ms
  }

  /** The prober's word on `a/m`, as a table that has just come. */
  readonly tell = ({ factor = 1, ...over }: Partial<WeightDetail> & { factor?: number }): void => {
    const detail: WeightDetail = {
      state: 'healthy',
      stateMs: 0,
      errors: 0,
      errorsOfBest: 0,
      slowness: 1,
      slownessOfAll: 1,
      floor: 0.03,
      rate: 10,
      usual: {},
      ...over,
    }
    this.#tables += 1
    const entries = [{ provider: 'a', model: 'm', factor, reason: '', detail }]
    const table = { v: 1, epoch: 1, seq: this.#tables, at: 0, validForMs: 3_500, entries } as const
    this.factors.accept(table, this.clock.monotonic())
  }
}
