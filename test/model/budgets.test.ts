/**
 * Budgets as a whole protocol: nodes that spend on leases, a control plane that grants them, books that fill,
 * with questions and answers lost, late and out of order, records doubled and late, nodes killed and started
 * again. The rules are the product's own (`purse.ts`, `grant.ts`); everything around them is simulated.
 */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { leaseId, LEASE_TTL_MS, type Grant, type Holding } from '#contracts/fleet/leases.ts'
import { decideGrant, leasedOf, REDELIVERY_MS, type Lease } from '#control-plane/budgets/grant.ts'
import { ask, fits, newPurse, reserve, settle, take, type Purse } from '#data-plane/budgets/purse.ts'

const AMOUNT = 400
const NODES = 3
const ACCOUNT = 'team@1'

type Request = Readonly<{ estimate: number; lease: string }>
type Question = Readonly<{ node: number; boot: number; seq: number; sentAt: number; holding: Holding }>
type Answer = Readonly<{ question: Question; grant: Grant }>
type Node = { boot: number; seq: number; purse: Purse; running: Request[]; isUp: boolean; unsent: Written[] }
type Written = Readonly<{ id: number; lease: string; cost: number }>

class World {
  now = 0
  emptiedAt = -Infinity
  /** Everything providers were paid, by whoever was killed, too. */
  billed = 0
  /** Of it, beyond what was reserved. */
  overrun = 0
  /** Of it, by requests that were under way when their node was killed: nobody wrote a record. */
  unrecorded = 0
  spent = 0
  grants = 0
  readonly leases = new Map<string, Lease>()
  readonly nodes: Node[] = Array.from({ length: NODES }, () => this.#fresh(1))
  readonly questions: Question[] = []
  readonly answers: Answer[] = []
  readonly records: Written[] = []
  readonly #booked = new Set<number>()
  #made = 0

  begin(at: number, estimate: number): void {
    const node = this.#node(at)
    if (!node.isUp) return
    if (!fits(node.purse, estimate, this.now)) {
      // As a request that waits: its need is asked for.
      node.purse.waiting.splice(0, 1, estimate)
      return
    }
    node.purse.waiting.length = 0
    reserve(node.purse, estimate, this.now)
    node.running.push({ estimate, lease: leaseId(ACCOUNT, 0, `${at}-${node.boot}`) })
  }

  /** As it goes when nothing goes wrong: what is missing is asked for, and comes. */
  serve(at: number, estimate: number): void {
    this.begin(at, estimate)
    if (this.#node(at).purse.waiting.length === 0) return
    this.ask(at)
    if (this.questions.length > 0) this.grant(this.questions.length - 1, false)
    if (this.answers.length > 0) this.answer(this.answers.length - 1, false)
    this.begin(at, estimate)
  }

  /** @param part of the estimate that it really costs; may be more than one. */
  end(at: number, part: number): void {
    const node = this.#node(at)
    const request = node.running.shift()
    if (request === undefined) return
    const cost = Math.round(request.estimate * part)
    settle(node.purse, request.estimate, cost, this.now)
    this.billed += cost
    this.overrun += Math.max(0, cost - request.estimate)
    this.#made += 1
    node.unsent.push({ id: this.#made, lease: request.lease, cost })
  }

  /** The spool reaches the bus. */
  publish(at: number): void {
    const node = this.#node(at)
    if (node.isUp) this.records.push(...node.unsent.splice(0))
  }

  /** Entered once, whatever comes again. @param doubled stays on the bus, to come again. */
  book(which: number, doubled: boolean): void {
    const at = which % Math.max(1, this.records.length)
    const record = this.records[at]
    if (record === undefined) return
    if (!doubled) this.records.splice(at, 1)
    if (this.records.length === 0) this.emptiedAt = this.now
    if (this.#booked.has(record.id)) return
    this.#booked.add(record.id)
    this.spent += record.cost
    const lease = this.leases.get(record.lease)
    if (lease !== undefined) this.leases.set(lease.id, { ...lease, booked: lease.booked + record.cost })
  }

  ask(at: number): void {
    const node = this.#node(at)
    if (!node.isUp) return
    node.seq += 1
    const holding = ask(node.purse, this.now)
    this.questions.push({ node: at, boot: node.boot, seq: node.seq, sentAt: this.now, holding })
  }

  /** Some question reaches the control plane. */
  grant(which: number, lost: boolean): void {
    const [question] = this.questions.splice(which % Math.max(1, this.questions.length), 1)
    if (question === undefined || lost) return
    const { node, boot, seq, holding } = question
    const id = leaseId(ACCOUNT, 0, `${node}-${boot}`)
    const moment = { now: this.now, emptiedAt: this.emptiedAt }
    const account = { amount: AMOUNT, spent: this.spent, leases: [...this.leases.values()] }
    const own = this.leases.get(id)
    if (own !== undefined && own.seq >= seq) return
    const before = this.spent + this.#out()
    const decided = decideGrant(account, id, holding, NODES, moment)
    this.leases.set(id, {
      id,
      granted: decided.granted,
      booked: own?.booked ?? 0,
      seq,
      expiresAt: this.now + LEASE_TTL_MS,
      drainedAt: own?.drainedAt ?? null,
    })
    // What was spent is told, not asked for: only what goes beyond it is granted.
    const told = Math.max(0, holding.spent - (own?.granted ?? 0))
    expect(this.spent + this.#out()).toBeLessThanOrEqual(Math.max(AMOUNT, before + told))
    expect(decided.granted).toBeGreaterThanOrEqual(holding.spent)
    this.grants += 1
    this.answers.push({ question, grant: { account: ACCOUNT, start: 0, ...decided } })
  }

  /** An answer reaches its node: only the one it waits for. */
  answer(which: number, lost: boolean): void {
    const [answer] = this.answers.splice(which % Math.max(1, this.answers.length), 1)
    if (answer === undefined || lost) return
    const { node: at, boot, seq, sentAt } = answer.question
    const node = this.#node(at)
    if (node.isUp && node.boot === boot && node.seq === seq)
      take(node.purse, answer.grant, sentAt, LEASE_TTL_MS)
  }

  /** @param part of what requests under way have cost by now, with nobody left to write it down. */
  kill(at: number, part: number): void {
    const node = this.#node(at)
    if (!node.isUp) return
    const cost = node.running.reduce((sum, { estimate }) => sum + Math.round(estimate * part), 0)
    this.billed += cost
    this.unrecorded += cost
    node.running = []
    node.isUp = false
    // Its connections end with it: what it asked was heard before, or never is.
    const heard = this.questions.filter((question) => question.node !== at)
    this.questions.splice(0, this.questions.length, ...heard)
  }

  restart(at: number): void {
    const node = this.#node(at)
    if (node.isUp) return
    this.nodes[at] = { ...this.#fresh(node.boot + 1), unsent: node.unsent }
  }

  /** A node that has published what its earlier runs left says so. */
  drain(at: number): void {
    const node = this.#node(at)
    if (!node.isUp || node.unsent.some(({ lease }) => !lease.endsWith(`/${at}-${node.boot}`))) return
    for (const lease of this.leases.values()) {
      const isEarlier = lease.id.includes(`/${at}-`) && !lease.id.endsWith(`/${at}-${node.boot}`)
      if (isEarlier && lease.drainedAt === null) this.leases.set(lease.id, { ...lease, drainedAt: this.now })
    }
  }

  /** What must hold at any time. */
  check(): void {
    // A request may cost more than it said, and a killed node's requests are told by nobody.
    expect(this.billed).toBeLessThanOrEqual(AMOUNT + this.overrun + this.unrecorded)
    const pending = new Set(
      [...this.records, ...this.nodes.flatMap(({ unsent }) => unsent)].map(({ lease }) => lease),
    )
    for (const lease of this.leases.values()) {
      const isReleased =
        leasedOf([lease], { now: this.now, emptiedAt: this.emptiedAt }) < lease.granted - lease.booked
      // Nothing is given up of which records are still to come.
      if (isReleased) expect(pending.has(lease.id)).toBe(false)
    }
    for (const [at, { boot, purse, isUp }] of this.nodes.entries()) {
      if (!isUp || this.now >= purse.usableUntil) continue
      // No node believes to have more than the control plane knows of.
      const granted = this.leases.get(leaseId(ACCOUNT, 0, `${at}-${boot}`))?.granted ?? 0
      expect(purse.granted).toBeLessThanOrEqual(granted)
    }
  }

  pass(ms: number): void {
    this.now += ms
    if (this.records.length === 0) this.emptiedAt = this.now
  }

  /** Counted anew, not by the rules that are tested. */
  #out(): number {
    const isOver = ({ drainedAt }: Lease): boolean =>
      drainedAt !== null && this.emptiedAt >= drainedAt + REDELIVERY_MS
    return [...this.leases.values()].reduce(
      (sum, lease) => sum + (isOver(lease) ? 0 : Math.max(0, lease.granted - lease.booked)),
      0,
    )
  }

  #fresh(boot: number): Node {
    return { boot, seq: 0, purse: newPurse(ACCOUNT, 0, null), running: [], isUp: true, unsent: [] }
  }

  #node(at: number): Node {
    const node = this.nodes[at]
    if (node === undefined) throw new Error(`no node ${at}`)
    return node
  }
}

const node = fc.nat(NODES - 1)
const which = fc.nat(9)
const seldom = fc.nat(9).map((roll) => roll === 0)
const step: fc.Arbitrary<(world: World) => void> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(node, fc.integer({ min: 1, max: 120 })).map(
      ([at, e]) =>
        (w: World) =>
          w.begin(at, e),
    ),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(node, fc.integer({ min: 1, max: 60 })).map(
      ([at, e]) =>
        (w: World) =>
          w.serve(at, e),
    ),
  },
  // Mostly less than was reserved, seldom more.
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        node,
        fc.oneof(
          { weight: 5, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
          { weight: 1, arbitrary: fc.double({ min: 1, max: 2, noNaN: true }) },
        ),
      )
      .map(
        ([at, part]) =>
          (w: World) =>
            w.end(at, part),
      ),
  },
  { weight: 6, arbitrary: node.map((at) => (w: World) => w.ask(at)) },
  {
    weight: 6,
    arbitrary: fc.tuple(which, seldom).map(
      ([at, lost]) =>
        (w: World) =>
          w.grant(at, lost),
    ),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(which, seldom).map(
      ([at, lost]) =>
        (w: World) =>
          w.answer(at, lost),
    ),
  },
  { weight: 3, arbitrary: node.map((at) => (w: World) => w.publish(at)) },
  {
    weight: 5,
    arbitrary: fc.tuple(which, seldom).map(
      ([at, doubled]) =>
        (w: World) =>
          w.book(at, doubled),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(node, fc.double({ min: 0, max: 1, noNaN: true })).map(
      ([at, part]) =>
        (w: World) =>
          w.kill(at, part),
    ),
  },
  { weight: 1, arbitrary: node.map((at) => (w: World) => w.restart(at)) },
  { weight: 1, arbitrary: node.map((at) => (w: World) => w.drain(at)) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(10, 1_000, 11_000, 11_000, REDELIVERY_MS, LEASE_TTL_MS)
      .map((ms) => (w: World) => w.pass(ms)),
  },
)

/** Everybody asks and is answered. */
function round(world: World): void {
  for (let at = 0; at < NODES; at++) {
    world.restart(at)
    world.ask(at)
    while (world.questions.length > 0) world.grant(0, false)
    while (world.answers.length > 0) world.answer(0, false)
  }
}

function settleAll(world: World): void {
  for (let at = 0; at < NODES; at++) {
    world.restart(at)
    while (world.nodes[at]?.running.length !== 0) world.end(at, 1)
    world.publish(at)
    world.drain(at)
  }
  while (world.records.length > 0) world.book(0, false)
  world.pass(Math.max(REDELIVERY_MS, LEASE_TTL_MS))
}

describe('budgets over a fleet', () => {
  test('grant never more than there is, and are overspent by nothing but what nobody could know', () => {
    let grants = 0
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const world = new World()
        for (const one of steps) {
          one(world)
          world.check()
        }
        grants += world.grants
      }),
      { numRuns: 500 },
    )
    expect(grants).toBeGreaterThan(2_000)
  })

  test('lose nothing: when all is settled, what is not spent can be leased again', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
        const world = new World()
        for (const one of steps) one(world)
        settleAll(world)
        expect(world.spent).toBe(world.billed - world.unrecorded)
        world.pass(20_000)
        round(world)
        const moment = { now: world.now, emptiedAt: world.emptiedAt }
        const leased = leasedOf([...world.leases.values()], moment)
        // Idle nodes hold nothing beyond what their last request waits for.
        const waiting = world.nodes.reduce((sum, { purse }) => sum + (purse.waiting[0] ?? 0), 0)
        expect(leased).toBeLessThanOrEqual(waiting)
      }),
      { numRuns: 200 },
    )
  })
})
