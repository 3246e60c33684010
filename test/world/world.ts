/**
 * A world: control planes, a broker, a database, nodes with their disks and probers, under virtual time.
 *
 * Holds what there is and starts and ends it; what goes wrong is in `trouble.ts`, what must hold in `checks.ts`.
 */
import { subjectsOf } from '#contracts/bus/subjects.ts'
import { nodeId } from '#contracts/ids.ts'
import { silentLogger, type LogFields, type Logger } from '#contracts/process/logger.ts'
import { Broker, type Connection } from './parts/broker.ts'
import type { Checks } from './checks.ts'
import type { RunningControl } from './release/control.ts'
import { Database } from './parts/database.ts'
import { Dice } from './parts/dice.ts'
import { Disk } from './parts/disk.ts'
import type { History } from './history.ts'
import { WorldLink, type LinkFaults, type Reachable } from './parts/link.ts'
import type { RunningNode } from './release/node.ts'
import { PREFIX } from './release/node.ts'
import type { RunningProber } from './release/prober.ts'
import type { Oracle, Release } from './release/releases.ts'
import { Life, VirtualTime } from './parts/time.ts'
import { KEYS, Workload, type Answered, type Wish } from './workload.ts'

export type Plan = Readonly<{
  nodes: number
  controls: number
  probers: number
  /** Releases from the oldest to the newest; processes begin at the first. */
  releases: readonly Release[]
  oracles: readonly Oracle[]
}>

/** A place where a process runs, and runs again: what it has outlives the process. */
type Place<Running> = {
  readonly name: string
  /** Index into the plan's releases. */
  release: number
  life: Life
  connection: Connection
  running: Running | null
  skew: number
}

export type NodePlace = Place<RunningNode> & {
  readonly disk: Disk
  link: WorldLink
  isLinkCut: boolean
  boots: number
  /** By its own reports, of this and earlier lives: what a restart must not forget. */
  persisted: Readonly<{ epoch: number; commit: number }>
}
export type ControlPlace = Place<RunningControl> & { reachable: Reachable | null }
export type ProberPlace = Place<RunningProber>

/** A wish that is under way. */
type Pending = { readonly wish: Wish; attempts: number; isAnswered: boolean }

/** An operator repeats a wish that was not answered for so long, in milliseconds. */
const REPEAT_MS = 1_500

export const subjects = subjectsOf(PREFIX)

export class World {
  readonly time = new VirtualTime()
  readonly dice: Dice
  readonly broker: Broker
  readonly database: Database
  readonly history: History
  readonly workload: Workload
  readonly plan: Plan
  readonly nodes: NodePlace[] = []
  readonly controls: ControlPlace[] = []
  readonly probers: ProberPlace[] = []
  readonly linkFaults: LinkFaults = { lose: 0, damage: 0 }
  readonly pending = new Set<Pending>()
  /** Commit by command id, of what was acknowledged and not taken back by a restore. */
  readonly acknowledged = new Map<string, number>()
  readonly trace: ((line: string) => void) | null
  /** The epoch of a log put back to an old state, until it was advanced. */
  restored: number | null = null
  checks!: Checks

  constructor(seed: number, plan: Plan, history: History, trace: ((line: string) => void) | null) {
    this.dice = new Dice(seed)
    this.plan = plan
    this.history = history
    this.trace = trace
    this.broker = new Broker(this.time, this.dice.split())
    this.database = new Database(this.time, this.dice.split())
    this.workload = new Workload(this.dice.split())
    this.database.onAppended = (commit) => {
      history.append(commit)
      this.tell(
        () => `commit ${commit.wire.commit}: ${commit.wire.events.map(({ type }) => type).join(', ')}`,
      )
    }
  }

  tell(line: () => string): void {
    this.trace?.(`${(this.time.now / 1_000).toFixed(3).padStart(8)}  ${line()}`)
  }

  /** What a fold version makes of a log; undefined: no release of this world folds so. */
  oracleOf(foldVersion: number): Oracle | undefined {
    return this.plan.oracles.find((oracle) => oracle.foldVersion === foldVersion)
  }

  /** Everything is started; wait for `time`. */
  begin(): void {
    const { controls, nodes, probers } = this.plan
    for (let index = 0; index < controls; index++) this.startControl(this.#controlPlace(index))
    for (let index = 0; index < nodes; index++) this.startNode(this.#nodePlace(index))
    for (let index = 0; index < probers; index++) this.startProber(this.#proberPlace(index))
  }

  releaseOf({ release }: Readonly<{ release: number }>): Release {
    const found = this.plan.releases[release]
    if (found === undefined) throw new Error(`no release ${release}`)
    return found
  }

  startNode(place: NodePlace): void {
    const { time, dice } = this
    const life = this.#live(place)
    place.link = new WorldLink(
      { time, dice: dice.split(), faults: this.linkFaults, controls: () => this.#reachable() },
      life,
    )
    place.link.isCut = place.isLinkCut
    place.boots += 1
    place.disk.hasFailed = false
    time.after(1, life, () => {
      place.running = this.releaseOf(place).node.startNode({
        node: nodeId(place.name),
        boot: `boot-${place.boots}`,
        bus: place.connection,
        link: place.link,
        files: place.disk.open(life),
        keys: KEYS,
        clock: time.clockOf(life),
        random: dice.split().next,
        logger: this.#loggerOf(place.name),
        onLoaded: this.checks.watchDisk(place),
        onServed: this.checks.watchNode(place),
        onWeights: this.checks.watchWeights(place),
      })
    })
  }

  startControl(place: ControlPlace): void {
    const life = this.#live(place)
    this.time.after(1, life, () => {
      const { database, time } = this
      const ports = {
        life,
        database,
        bus: place.connection,
        keys: KEYS,
        clock: time.clockOf(life),
        logger: this.#loggerOf(place.name),
      }
      const running = this.releaseOf(place).control.startControl(ports)
      place.running = running
      place.reachable = { life, link: running.link, pending: new Set() }
    })
  }

  startProber(place: ProberPlace): void {
    const life = this.#live(place)
    const { time, dice } = this
    time.after(1, life, () => {
      place.running = this.releaseOf(place).prober.startWorldProber({
        bus: place.connection,
        keys: KEYS,
        clock: time.clockOf(life),
        random: dice.split().next,
        providers: ['a', 'b', 'c'],
      })
    })
  }

  /** SIGKILL. What it had asked and was asked is never answered. */
  kill(place: Place<unknown>): void {
    place.life.isAlive = false
    place.life.waiting.length = 0
    place.connection.leave()
    place.running = null
    const reachable = 'reachable' in place ? (place as ControlPlace).reachable : null
    for (const fail of reachable?.pending ?? []) fail()
  }

  /** An operator asks a control plane for something, until it is answered. */
  submit(wish: Wish): void {
    const pending: Pending = { wish, attempts: 0, isAnswered: false }
    this.pending.add(pending)
    this.#attempt(pending)
  }

  #attempt(pending: Pending): void {
    const { time, dice } = this
    if (pending.isAnswered) return
    // After a restore nobody writes before the epoch was advanced.
    const isFirst = this.restored === null || this.history.catalog.epoch > this.restored
    if (isFirst) this.restored = null
    const { type } = pending.wish.request.command
    const mustWait =
      this.history.head === null ? type !== 'CreateGenesis' : !isFirst && type !== 'AdvanceEpoch'
    if (mustWait) return void time.after(20, null, () => this.#attempt(pending))
    pending.attempts += 1
    const last = this.plan.releases.length - 1
    const able = this.controls.filter(
      ({ running, life, release }) =>
        running !== null && life.isAlive && (pending.wish.needs === 'any' || release === last),
    )
    const again = (): void => void time.after(dice.between(50, 400), null, () => this.#attempt(pending))
    if (able.length === 0) {
      // Nobody is left who could: a wish of a release that is nowhere is not waited for.
      if (pending.wish.needs === 'now' && pending.attempts > 3) this.pending.delete(pending)
      else again()
      return
    }
    const { running, life } = dice.of(able)
    let isOver = false
    const over = (run: () => void): void => {
      if (isOver) return
      isOver = true
      run()
    }
    time.after(REPEAT_MS, null, () => over(again))
    time.after(dice.between(0.2, 2), life, () => {
      void running?.ledger.execute(pending.wish.request).then(
        (answer) => time.after(dice.between(0.2, 2), null, () => over(() => this.#answered(pending, answer))),
        () => time.after(dice.between(0.2, 2), null, () => over(again)),
      )
    })
  }

  #answered(pending: Pending, answer: Answered): void {
    if (pending.isAnswered) return
    pending.isAnswered = true
    this.pending.delete(pending)
    const { commandId, command } = pending.wish.request
    this.tell(
      () =>
        `${command.type} ${commandId}: ${JSON.stringify(answer.ok ? answer.value.commitNo : answer.error)}`,
    )
    if (!answer.ok || answer.value.events.length === 0) return
    this.acknowledged.set(commandId, answer.value.commitNo)
    this.checks.acknowledged(commandId, answer.value.commitNo)
  }

  /** What processes say is part of the trace. */
  #loggerOf(name: string): Logger {
    if (this.trace === null) return silentLogger
    const log = (fields: LogFields, message: string): void =>
      this.tell(
        () =>
          `${name}: ${message} ${JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.message : value))}`,
      )
    const logger: Logger = { debug: log, info: log, warn: log, error: log, child: () => logger }
    return logger
  }

  #reachable(): readonly Reachable[] {
    return this.controls.flatMap(({ reachable }) => reachable ?? [])
  }

  #live(place: Place<unknown>): Life {
    place.life = new Life(place.name, place.skew)
    place.connection = this.broker.connect(place.life)
    return place.life
  }

  #place<Running>(name: string): Place<Running> {
    const life = new Life(name)
    const connection = this.broker.connect(life)
    connection.leave()
    return { name, release: 0, life, connection, running: null, skew: 0 }
  }

  #nodePlace(index: number): NodePlace {
    const place: Place<RunningNode> = this.#place(`node_${index}`)
    const { time, dice } = this
    const link = new WorldLink({ time, dice, faults: this.linkFaults, controls: () => [] }, place.life)
    const persisted = { epoch: 0, commit: 0 }
    const disk = new Disk(time, dice.split())
    const node: NodePlace = Object.assign(place, { disk, link, isLinkCut: false, boots: 0, persisted })
    this.nodes.push(node)
    return node
  }

  #controlPlace(index: number): ControlPlace {
    const place = Object.assign(this.#place<RunningControl>(`control_${index}`), { reachable: null })
    this.controls.push(place)
    return place
  }

  #proberPlace(index: number): ProberPlace {
    const place = this.#place<RunningProber>(`prober_${index}`)
    this.probers.push(place)
    return place
  }
}
