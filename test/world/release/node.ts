/**
 * A data-plane node without its listener: what `data-plane/app.ts` puts together, on the ports of a world.
 *
 * Loaded once for every release of the product that a world runs.
 */
import type { Bus } from '#contracts/bus/bus.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import type { CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import type { ControlLink } from '#contracts/fleet/link.ts'
import type { NodeId } from '#contracts/ids.ts'
import type { Clock, Random } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { MasterKey } from '#contracts/security/master-key.ts'
import type { WeightTable } from '#contracts/weights/table.ts'
import { Authenticator } from '#data-plane/admission/principal.ts'
import { WeightFactors } from '#data-plane/routing/factors.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import type { RoutingSnapshot } from '#data-plane/routing/snapshot.ts'
import { FileDiskCopy, type DiskCopy } from '#data-plane/sync/disk/disk-copy.ts'
import type { DiskFiles } from '#data-plane/sync/disk/files.ts'
import { startFollowing, type CatalogFollower } from '#data-plane/sync/follow-catalog.ts'
import { followWeights } from '#data-plane/sync/follow-weights.ts'
import { SnapshotHolder } from '#data-plane/sync/holder.ts'
import { Problems } from '#data-plane/sync/problems.ts'
import { Reporter } from '#data-plane/sync/report.ts'

export type NodePorts = Readonly<{
  node: NodeId
  boot: string
  bus: Bus
  link: ControlLink
  files: DiskFiles
  keys: MasterKey
  clock: Clock
  random: Random
  logger: Logger
  /** What the disk gave; null: nothing usable. */
  onLoaded: (snapshot: CatalogSnapshot | null) => void
  onServed: (node: RunningNode, snapshot: RoutingSnapshot) => void
  onWeights: (table: WeightTable) => void
}>

export type RunningNode = Readonly<{
  foldVersion: number
  holder: SnapshotHolder
  factors: WeightFactors
  problems: Problems
  /** Null until the disk was tried. */
  follower: () => CatalogFollower | null
  /** Would a client with this key be let in now? */
  lets: (snapshot: RoutingSnapshot, token: string) => boolean
}>

export const PREFIX = 'world'

/** Begins to boot; never waits. */
export function startNode(ports: NodePorts): RunningNode {
  const { bus, link, keys, clock, random, node: id, boot } = ports
  const subjects = subjectsOf(PREFIX)
  const problems = new Problems(ports.logger, clock)
  const holder = new SnapshotHolder()
  const slots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
  const factors = new WeightFactors(slots.deployments)
  const authenticator = new Authenticator(keys.pepper)
  let follower: CatalogFollower | null = null
  // Never ended: in a world a node is only killed.
  const ended: Disposable[] = []
  const node: RunningNode = {
    foldVersion: FOLD_VERSION,
    holder,
    factors,
    problems,
    follower: () => follower,
    lets: (snapshot, token) => authenticator.authenticate(snapshot, token, clock.now()).ok,
  }
  holder.onSwap((snapshot) => ports.onServed(node, snapshot))
  const shared = { bus, subjects, link, clock, random, problems }
  const boots = async (): Promise<void> => {
    const disk = new FileDiskCopy('/data/node', keys.disk, clock, ports.files)
    follower = await startFollowing({
      ...shared,
      disk: watched(disk, ports),
      holder,
      slots,
      vaultKey: keys.vault,
      commitKey: keys.commits,
    })
    ended.push(followWeights({ ...shared, factors: { accept: taking(factors, ports) }, key: keys.weights }))
    const who = { node: id, boot, build: 'world', isAccepting: () => true }
    ended.push(new Reporter({ ...shared, follower, ...who }))
  }
  void boots()
  return node
}

const watched = (disk: DiskCopy, { onLoaded }: NodePorts): DiskCopy => ({
  load: async () => {
    const loaded = await disk.load()
    onLoaded(loaded.copy?.snapshot ?? null)
    return loaded
  },
  save: (copy) => disk.save(copy),
})

const taking =
  (factors: WeightFactors, { onWeights }: NodePorts) =>
  (table: WeightTable, now: number): boolean => {
    const isTaken = factors.accept(table, now)
    if (isTaken) onWeights(table)
    return isTaken
  }
