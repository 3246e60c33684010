/**
 * What goes wrong in a world, drawn from its dice: one step after the other, and a calm at the end.
 */
import { CHAIN_START } from '#contracts/commit/chain.ts'
import { signCommit } from '#contracts/commit/signed.ts'
import { signTable } from '#contracts/weights/table.ts'
import { sealCommit } from '../arbitraries/commits.ts'
import type { BrokerFaults } from './parts/broker.ts'
import { NO_FAULTS } from './parts/broker.ts'
import { subjects, type ControlPlace, type NodePlace, type World } from './world.ts'

const WEIGHTS = {
  command: 26,
  commands: 6,
  killNode: 3,
  powerNode: 3,
  killControl: 2,
  killProber: 2,
  pause: 3,
  cutBus: 3,
  cutLink: 2,
  busDown: 1,
  loseTail: 2,
  loseMiddle: 2,
  garble: 1,
  trim: 1,
  loseStream: 1,
  resetStream: 1,
  loseRegisters: 1,
  databaseDown: 1.5,
  diskFull: 1.5,
  damageDisk: 1,
  wipeDisk: 0.5,
  replay: 3,
  forge: 2,
  skew: 1,
  advanceEpoch: 0.5,
  restore: 0.7,
  weather: 3,
  upgrade: 3,
  raiseFloor: 1,
}
type Step = keyof typeof WEIGHTS
/** Where there is something to upgrade, that is what the world is about. */
const MIXED_WEIGHTS = { ...WEIGHTS, upgrade: 5, raiseFloor: 6, restore: 0 }

export class Trouble {
  readonly #world: World
  /** What makes good what a step broke, for the calm. */
  readonly #repairs = new Set<() => void>()

  constructor(world: World) {
    this.#world = world
  }

  /** One step, now. */
  step(): void {
    const { dice, plan } = this.#world
    const step: Step = dice.weighted(plan.releases.length > 1 ? MIXED_WEIGHTS : WEIGHTS)
    this.#world.tell(() => `— ${step}`)
    this.#take(step)
  }

  /** Nothing goes wrong any more, and whatever is broken is made good. */
  calm(): void {
    const world = this.#world
    world.tell(() => '— calm')
    for (const repair of this.#repairs) repair()
    Object.assign(world.broker.faults, NO_FAULTS)
    Object.assign(world.linkFaults, { lose: 0, damage: 0 })
    Object.assign(world.database.faults, { loseQuestion: 0, loseAnswer: 0, slow: 0 })
    this.#operate()
  }

  #take(step: Step): void {
    const world = this.#world
    const { dice, broker, workload } = world
    switch (step) {
      case 'command':
        return world.submit(workload.next(world.history.catalog))
      case 'commands':
        for (let count = 2 + dice.below(4); count > 0; count--)
          world.submit(workload.next(world.history.catalog))
        return
      case 'killNode':
        return this.#killNode(dice.of(world.nodes), false)
      case 'powerNode':
        return this.#killNode(dice.of(world.nodes), true)
      case 'killControl':
        return this.#killControl(dice.of(world.controls))
      case 'killProber':
        if (world.probers.length > 0) this.#killProber()
        return
      case 'pause':
        return this.#pause()
      case 'cutBus': {
        const { connection } = dice.of([world.nodes, world.nodes, world.controls, world.probers].flat())
        connection.setCut(true)
        return this.#until(dice.between(50, 5_000), () => connection.setCut(false))
      }
      case 'cutLink': {
        const node = dice.of(world.nodes)
        node.isLinkCut = true
        node.link.isCut = true
        return this.#until(dice.between(50, 5_000), () => {
          node.isLinkCut = false
          node.link.isCut = false
        })
      }
      case 'busDown':
        broker.setUp(false)
        if (dice.chance(0.5)) this.#loseTail()
        return this.#until(dice.between(50, 3_000), () => broker.setUp(true))
      case 'loseRegisters':
        broker.registers.clear()
        return
      case 'databaseDown':
        world.database.isUp = false
        return this.#until(dice.between(50, 3_000), () => void (world.database.isUp = true))
      case 'skew':
        for (const place of [...world.nodes, ...world.controls]) {
          place.skew = Math.floor(dice.between(-120_000, 120_000))
          place.life.skew = place.skew
        }
        return
      case 'weather':
        return this.#weather()
      case 'advanceEpoch':
        return this.#advanceEpoch()
      case 'restore':
        return this.#restore()
      case 'upgrade':
        return this.#upgrade()
      case 'raiseFloor':
        return this.#raiseFloor()
      case 'forge':
        return this.#forge()
      case 'diskFull':
      case 'damageDisk':
      case 'wipeDisk':
        return this.#spoilDisk(dice.of(world.nodes), step)
      default:
        return this.#spoilStream(step)
    }
  }

  #spoilDisk(node: NodePlace, step: 'diskFull' | 'damageDisk' | 'wipeDisk'): void {
    if (step === 'damageDisk') return node.disk.damage()
    if (step === 'wipeDisk') return node.disk.wipe()
    node.disk.isFull = true
    this.#until(this.#world.dice.between(50, 4_000), () => void (node.disk.isFull = false))
  }

  #spoilStream(
    step: 'loseTail' | 'loseMiddle' | 'garble' | 'trim' | 'loseStream' | 'resetStream' | 'replay',
  ): void {
    const { broker, dice } = this.#world
    const [epoch, stream] = [...broker.streams].at(-1) ?? []
    if (step === 'loseTail') return this.#loseTail()
    if (stream === undefined || epoch === undefined || stream.messages.length === 0) return
    const at = dice.below(stream.messages.length)
    const text = stream.messages[at] ?? null
    switch (step) {
      case 'loseMiddle':
        stream.messages[at] = null
        return
      case 'garble':
        stream.messages[at] = text === null ? null : `${text.slice(0, -3)}"}]`
        return
      case 'trim':
        stream.messages.splice(0, at)
        stream.first += at
        return
      case 'loseStream':
        broker.streams.delete(epoch)
        return
      case 'resetStream':
        broker.streams.set(epoch, { first: 1, messages: [] })
        return
      case 'replay':
        if (text !== null) broker.deliver(`live.${epoch}`, text)
        return
    }
  }

  #loseTail(): void {
    const { broker, dice } = this.#world
    for (const stream of broker.streams.values())
      stream.messages.length = Math.max(0, stream.messages.length - dice.below(6))
  }

  /** Somebody speaks on the bus who has no key. */
  #forge(): void {
    const { broker, dice, history, time } = this.#world
    const forged = [...broker.streams].at(-1)
    const evil = { v: 1 as const, epoch: 2 ** 40, seq: 1, at: 0, validForMs: 1_000, entries: [] }
    switch (dice.below(5)) {
      case 0:
        return broker.deliver(subjects.weights, signTable(evil, Buffer.alloc(32)))
      case 1:
        return broker.deliver(subjects.weights, '{')
      case 2:
        if (forged !== undefined) broker.deliver(`live.${forged[0]}`, this.#forgedCommit())
        return
      case 3:
        return broker.deliver(`live.${history.catalog.epoch}`, 'not a commit')
      default: {
        const commit = (history.head?.commit ?? 0) + dice.below(9) - 3
        const chain = 'f'.repeat(64)
        const head = { v: 1, epoch: 1 + dice.below(3), commit: Math.max(0, commit), chain, nodes: 1 }
        time.after(0, null, () => broker.deliver(subjects.head, JSON.stringify(head)))
      }
    }
  }

  /** Sound in everything but who signed it. */
  #forgedCommit(): string {
    const { head, catalog } = this.#world.history
    const [stream = 'provider-a', version = 0] = [...catalog.versions].at(-1) ?? []
    const event = { i: 0, stream, sver: version + 1, type: 'ProviderDisabled', sv: 1, body: '{}' }
    return signCommit(
      sealCommit(
        { commit: (head?.commit ?? 0) + 1, prev: head?.chain ?? CHAIN_START, events: [event] },
        catalog.epoch,
      ),
      Buffer.alloc(32),
    )
  }

  #weather(): void {
    const { broker, dice, linkFaults, database } = this.#world
    const some = (most: number): number => (dice.chance(0.5) ? 0 : most * dice.next())
    const faults: BrokerFaults = {
      lose: some(0.5),
      double: some(0.5),
      delay: some(0.5),
      loseAnswer: some(0.2),
      loseQuestion: some(0.2),
      falseAck: some(0.3),
      staleRead: some(0.5),
    }
    Object.assign(broker.faults, faults)
    Object.assign(linkFaults, { lose: some(0.3), damage: some(0.3) })
    Object.assign(database.faults, { loseQuestion: some(0.2), loseAnswer: some(0.2), slow: some(200) })
  }

  #killNode(node: NodePlace, isPower: boolean): void {
    if (!node.life.isAlive) return
    this.#world.kill(node)
    if (isPower) node.disk.losePower()
    this.#until(this.#world.dice.between(1, 2_000), () => {
      if (!node.life.isAlive) this.#world.startNode(node)
    })
  }

  #killControl(control: ControlPlace): void {
    if (!control.life.isAlive) return
    this.#world.kill(control)
    this.#until(this.#world.dice.between(1, 3_000), () => {
      if (!control.life.isAlive) this.#world.startControl(control)
    })
  }

  #killProber(): void {
    const prober = this.#world.dice.of(this.#world.probers)
    if (!prober.life.isAlive) return
    this.#world.kill(prober)
    this.#until(this.#world.dice.between(1, 3_000), () => {
      if (!prober.life.isAlive) this.#world.startProber(prober)
    })
  }

  #pause(): void {
    const { dice, nodes, controls, probers, time } = this.#world
    const { life } = dice.of([...nodes, ...controls, ...probers])
    if (life.isPaused) return
    time.pause(life)
    this.#until(dice.between(50, 6_000), () => time.resume(life))
  }

  #advanceEpoch(): void {
    const { history, workload } = this.#world
    const expectedEpoch = history.catalog.epoch
    this.#world.submit(workload.wish({ type: 'AdvanceEpoch', expectedEpoch }))
  }

  /** An old backup is put back: nobody runs meanwhile, and the first thing done is a new epoch. */
  #restore(): void {
    const world = this.#world
    const head = world.history.head?.commit ?? 0
    const commit = head - 1 - world.dice.below(4)
    // Of the very first commits there is no backup; beyond a floor nobody old may write again.
    if (commit < 3 || world.restored !== null || world.controls.some(({ running }) => running === null))
      return
    if (world.plan.releases.length > 1) return
    // Of a backup from before an epoch the next epoch would be that one again.
    if (world.history.commit(commit)?.catalog.epoch !== world.history.catalog.epoch) return
    for (const control of world.controls) world.kill(control)
    for (const pending of world.pending) pending.isAnswered = true
    world.pending.clear()
    world.database.restoreTo(commit)
    world.history.restoreTo(commit)
    for (const [id, at] of world.acknowledged) if (at > commit) world.acknowledged.delete(id)
    for (const control of world.controls) world.startControl(control)
    world.restored = world.history.catalog.epoch
    this.#advanceEpoch()
  }

  #upgrade(): void {
    const world = this.#world
    const last = world.plan.releases.length - 1
    const old = [...world.nodes, ...world.controls, ...world.probers].filter(({ release }) => release < last)
    if (old.length === 0) return
    const place = world.dice.of(old)
    place.release += 1
    // A copy of another fold is not read.
    if ('persisted' in place) place.persisted = { epoch: 0, commit: 0 }
    world.tell(() => `${place.name} becomes release ${place.release}`)
    if ('disk' in place) this.#killNode(place, false)
    else if ('reachable' in place) this.#killControl(place)
    else this.#killProber()
  }

  /** Refused while live nodes are below, unless it is forced: those stay behind, and serve. */
  #raiseFloor(): void {
    const world = this.#world
    const last = world.plan.releases.length - 1
    if (last === 0) return
    const control = world.controls.find(({ release, running }) => release === last && running !== null)
    if (control === undefined || control.running === null) return
    const minFold = control.running.foldVersion
    const below = world.dice.chance(0.6) ? [] : control.running.fleet.below(minFold)
    const blockers = below.map(({ report }) => report.node)
    world.submit({ ...world.workload.wish({ type: 'RaiseFloor', minFold, blockers }), needs: 'now' })
  }

  /** The operator looks at relays that stand still because the stream holds what the log does not. */
  #operate(): void {
    const { time, controls, history, broker } = this.#world
    time.after(3_000, null, () => {
      const isDiverged = controls.some(({ running }) => running?.relay()?.state.kind === 'diverged')
      const stream = broker.streams.get(history.catalog.epoch)
      if (isDiverged && stream !== undefined) this.#advanceEpoch()
      this.#operate()
    })
  }

  /** Makes it good after a while, or when the calm comes. */
  #until(ms: number, repair: () => void): void {
    const once = (): void => {
      if (this.#repairs.delete(once)) repair()
    }
    this.#repairs.add(once)
    this.#world.time.after(ms, null, once)
  }
}
