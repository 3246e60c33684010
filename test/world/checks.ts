/**
 * What must hold in every world: the invariants I1 to I8 of the design, and that nobody takes a weight table
 * which is not newer.
 *
 * I1 what was acknowledged is in the log for ever. I2 the log has no gap and its chain holds. I3 what a node
 * serves is the fold of a prefix of the log. I4 a node never goes back. I5 equal commit and fold version, equal
 * digest. I6 when nothing goes wrong any more, everybody reaches the head. I7 no empty table after one that was
 * not empty. I8 a revoked key is refused once its revocation is applied, and a restart does not forget it.
 */
import { decodeNodeReport } from '#contracts/fleet/report.ts'
import { openCommit } from '#contracts/commit/signed.ts'
import type { CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import { openTable, type WeightTable } from '#contracts/weights/table.ts'
import type { RoutingSnapshot } from '#data-plane/routing/snapshot.ts'
import type { RunningNode } from './release/node.ts'
import { digestOf } from './release/oracle.ts'
import { subjects, type NodePlace, type World } from './world.ts'
import { KEYS } from './workload.ts'

type Place = Readonly<{ epoch: number; commit: number }>

const isBefore = (one: Place, other: Place): boolean =>
  one.epoch < other.epoch || (one.epoch === other.epoch && one.commit < other.commit)

const textOf = ({ epoch, commit }: Place): string => `${epoch}:${commit}`

export class Checks {
  readonly #world: World
  readonly #tables = new Map<string, string>()
  readonly #sound = new Set<string>()

  constructor(world: World) {
    this.#world = world
    world.broker.onPublished = (subject, text) => this.#published(subject, text)
    world.broker.onStored = (epoch, sequence, text) => this.#stored(epoch, sequence, text)
  }

  get violations(): string[] {
    return this.#world.history.violations
  }

  /** I1, as soon as it is said. */
  acknowledged(commandId: string, commit: number): void {
    const found = this.#world.history.commitOf(commandId)
    if (found !== commit)
      this.#broken(`I1: ${commandId} was acknowledged as commit ${commit}, and the log has it as ${found}`)
  }

  /** @returns what is to be called with what a node finds on its disk at the start of a life. */
  watchDisk(place: NodePlace): (snapshot: CatalogSnapshot | null) => void {
    const { persisted, disk } = place
    return (snapshot) => {
      const found = { epoch: snapshot?.catalog.epoch ?? 0, commit: snapshot?.catalog.commit ?? 0 }
      if (!disk.isSpoiled && persisted.commit > 0 && isBefore(found, persisted))
        this.#broken(
          `I8: ${place.name} has ${textOf(found)} on disk although it had ${textOf(persisted)} there`,
        )
    }
  }

  /** @returns what is to be called with everything a node begins to serve in one life. */
  watchNode(place: NodePlace): (node: RunningNode, snapshot: RoutingSnapshot) => void {
    const { life } = place
    let before: Place | null = null
    return (node, snapshot) => {
      if (place.life !== life) return
      const now = { epoch: snapshot.epoch, commit: snapshot.commit }
      this.#world.tell(() => `${place.name} serves ${textOf(now)}`)
      if (before !== null && isBefore(now, before))
        this.#broken(`I4: ${place.name} went back from ${textOf(before)} to ${textOf(now)}`)
      this.#serves(place, node, snapshot, before === null)
      before = now
    }
  }

  /** @returns what is to be called with every table that a node took in one life. */
  watchWeights(place: NodePlace): (table: WeightTable) => void {
    let before: Place | null = null
    return ({ epoch, seq, entries }) => {
      const now = { epoch, commit: seq }
      if (before !== null && !isBefore(before, now))
        this.#broken(`I4: ${place.name} took weight table ${textOf(now)} after ${textOf(before)}`)
      if (!this.#tables.has(textOf(now)))
        this.#broken(`I3: ${place.name} took weight table ${textOf(now)}, which no prober published`)
      if (entries.some(({ factor }) => !(factor >= 0 && factor <= 1)))
        this.#broken(`I3: ${place.name} took a factor beyond 0 to 1`)
      before = now
    }
  }

  /** Once nothing goes wrong any more. @returns what is still not as it should be; empty: all is well. */
  unsettled(): readonly string[] {
    const world = this.#world
    const { history } = world
    const found: string[] = []
    for (const { wish } of world.pending) found.push(`${wish.request.commandId} is not answered`)
    for (const control of world.controls) {
      const { running, name } = control
      if (running === null) return [`${name} is not there`]
      const { commit } = running.ledger.catalog
      const reach = history.reachOf(running.foldVersion)
      if (commit !== reach) found.push(`${name} is at commit ${commit} of ${reach}`)
      const state = running.relay()?.state.kind ?? 'idle'
      if (state !== 'current' && reach === history.head?.commit)
        found.push(`the relay of ${name} is ${state}`)
    }
    const stream = world.broker.streams.get(history.catalog.epoch)
    const end = stream === undefined ? 0 : stream.first + stream.messages.length - 1
    if (end !== history.head?.commit) found.push(`the stream on the bus ends with ${end}`)
    for (const node of world.nodes) found.push(...this.#unsettledNode(node))
    return [...found, ...this.#unsettledProbers()]
  }

  /** What can be said only at the end. */
  finish(): void {
    const { acknowledged, nodes } = this.#world
    for (const [commandId, commit] of acknowledged) this.acknowledged(commandId, commit)
    for (const { running, name } of nodes) {
      const snapshot = running?.holder.current ?? null
      if (snapshot !== null && running !== null) this.#isWhole(name, running, snapshot)
    }
  }

  #serves(place: NodePlace, node: RunningNode, snapshot: RoutingSnapshot, isFirst: boolean): void {
    const { history, workload } = this.#world
    const now = { epoch: snapshot.epoch, commit: snapshot.commit }
    const { foldVersion } = node
    const moment = history.at(now.epoch, now.commit, { foldVersion, digest: snapshot.digest })
    if (moment === null)
      return this.#broken(`I3: ${place.name} serves ${textOf(now)}, which the log never had`)
    if (moment.floor > node.foldVersion)
      this.#broken(
        `I3: ${place.name} folds version ${node.foldVersion} and serves ${textOf(now)}, beyond the floor`,
      )
    if (moment.digests.get(node.foldVersion) !== snapshot.digest)
      this.#broken(`I5: ${place.name} has another state than the log at ${textOf(now)}`)
    if (isFirst || this.#world.dice.chance(0.1)) this.#isWhole(place.name, node, snapshot)
    if (snapshot.source.providers.size === 0 && moment.catalog.providers.size > 0)
      this.#broken(`I7: ${place.name} serves an empty table at ${textOf(now)}`)
    for (const [id, { state }] of moment.catalog.keys) {
      const token = workload.tokens.get(id)
      if (token !== undefined && node.lets(snapshot, token) !== (state === 'active'))
        this.#broken(
          `I8: ${place.name} ${state === 'active' ? 'refuses' : 'lets in'} the ${state} ${id} at ${textOf(now)}`,
        )
    }
  }

  /** The state is what its digest says. */
  #isWhole(name: string, node: RunningNode, snapshot: RoutingSnapshot): void {
    const oracle = this.#world.oracleOf(node.foldVersion)
    if ((oracle?.digestOf ?? digestOf)(snapshot.source) !== snapshot.digest)
      this.#broken(`I5: ${name} holds another state at ${textOf(snapshot)} than its digest says`)
  }

  #published(subject: string, text: string): void {
    if (subject === subjects.weights) return this.#spoke(text)
    if (!subject.startsWith(REPORTS)) return
    const report = decodeNodeReport(text)
    const place = this.#world.nodes.find(({ name }) => name === subject.slice(REPORTS.length))
    if (!report.ok || place === undefined) return
    const { epoch, persisted, served, applied, digest, foldVersion } = report.value
    const { history } = this.#world
    const kept = history.on(epoch, persisted)
    if (kept !== null) place.persisted = { epoch: kept.catalog.epoch, commit: persisted }
    const moment = history.on(epoch, applied, { foldVersion, digest })
    if (moment !== null && moment.digests.get(foldVersion) !== digest)
      this.#broken(`I5: ${place.name} reports another state than the log at ${epoch}:${applied}`)
    const revoked = history.lastRevocation(served)
    const isSame = moment !== null && moment === history.commit(applied)
    if (revoked > persisted && isSame && !place.disk.hasFailed)
      this.#broken(
        `I8: ${place.name} acknowledged the revocation in commit ${revoked} with ${persisted} on disk`,
      )
  }

  /** Two probers under one number could not be told apart. */
  #spoke(text: string): void {
    const table = openTable(text, KEYS.weights)
    if (!table.ok) return
    const name = `${table.value.epoch}:${table.value.seq}`
    const before = this.#tables.get(name)
    if (before !== undefined && before !== text) this.#broken(`I5: two weight tables are both ${name}`)
    this.#tables.set(name, text)
  }

  #stored(epoch: number, sequence: number, text: string): void {
    // The same relay writes the same text again.
    if (this.#sound.has(`${sequence} ${text}`)) return
    this.#sound.add(`${sequence} ${text}`)
    const commit = openCommit(text, KEYS.commits)
    if (!commit.ok) return this.#broken(`I2: ${epoch}:${sequence} on the bus is no commit: ${commit.error}`)
    if (commit.value.commit !== sequence)
      this.#broken(`I2: commit ${commit.value.commit} is on the bus as number ${sequence}`)
  }

  #unsettledNode({ name, running }: NodePlace): readonly string[] {
    const { history, controls } = this.#world
    const readout = running?.follower()?.readout()
    if (running === null || readout === undefined) return [`${name} is not there`]
    const reach = history.reachOf(running.foldVersion)
    const { state, served, applied, persisted, digest, link } = readout
    const isBlocked = reach < (history.head?.commit ?? 0)
    const wanted = {
      state: isBlocked ? 'blocked' : 'following',
      served: reach,
      applied: reach,
      persisted: reach,
    }
    const found: string[] = []
    for (const [what, value] of Object.entries(wanted)) {
      const is = { state, served, applied, persisted }[what as keyof typeof wanted]
      if (is !== value) found.push(`${name}: ${what} is ${is}, not ${value}`)
    }
    if (digest !== history.commit(reach)?.digests.get(running.foldVersion)) found.push(`${name}: its digest`)
    if (link !== 'bus') found.push(`${name}: link is ${link}`)
    if (!running.follower()?.readiness().ready) found.push(`${name} is not ready`)
    for (const control of controls) {
      const view = control.running?.fleet.list().find(({ report }) => report.node === name)
      const expected = expectedState(control.running?.foldVersion ?? 0, running.foldVersion, isBlocked)
      if (view === undefined || !expected.includes(view.state))
        found.push(`${control.name} sees ${name} as ${view?.state ?? 'nobody'}, not ${expected.join(' or ')}`)
    }
    return found
  }

  #unsettledProbers(): readonly string[] {
    const { probers, nodes } = this.#world
    if (probers.length === 0) return []
    const leading = probers.filter(({ running }) => running?.leads() === true)
    if (leading.length !== 1) return [`${leading.length} probers lead`]
    return nodes.flatMap(({ name, running, life }) => {
      const say = running?.factors.say(this.#world.time.now) ?? 0
      return life.isAlive && say < 1 ? [`${name} has weights that say ${say}`] : []
    })
  }

  #broken(violation: string): void {
    this.violations.push(`${(this.#world.time.now / 1_000).toFixed(3)} s: ${violation}`)
    this.#world.time.stop()
  }
}

const REPORTS = subjects.everyReport.slice(0, -1)

function expectedState(control: number, node: number, isBlocked: boolean): readonly string[] {
  if (isBlocked && control > node) return ['BLOCKED_BY_FLOOR']
  if (control !== node) return ['SKEWED']
  return ['CURRENT', 'NACKED']
}
