/**
 * Plays one world from its seed: trouble, calm, verdict.
 */
import { Checks } from './checks.ts'
import { Dice } from './parts/dice.ts'
import { History } from './history.ts'
import type { Oracle, Release } from './release/releases.ts'
import { Trouble } from './trouble.ts'
import { World } from './world.ts'

/** Which releases of the product play, from the oldest to the newest, and what each makes of a log. */
export type Cast = Readonly<{ releases: readonly Release[]; oracles: readonly Oracle[] }>

export type Verdict = Readonly<{
  violations: readonly string[]
  /** Virtual milliseconds, and how much happened in them. */
  lasted: number
  happened: number
  commits: number
}>

/** After the calm everybody is at the head within this time, in virtual milliseconds. */
const SETTLES_MS = 60_000
const LOOK_MS = 100
/** More than any sound world needs. */
const MOST_HAPPENINGS = 400_000

/** @param cast the same releases for every process, or an older one to begin with. */
export async function play(
  seed: number,
  cast: Cast,
  trace: ((line: string) => void) | null,
): Promise<Verdict> {
  const dice = new Dice(seed)
  const plan = {
    nodes: 1 + dice.below(3),
    controls: 1 + dice.below(2),
    probers: dice.chance(0.2) ? 1 + dice.below(2) : 0,
    ...cast,
  }
  const history = new History(cast.oracles.toReversed())
  const world = new World(seed ^ 0x5bd1e995, plan, history, trace)
  world.checks = new Checks(world)
  const trouble = new Trouble(world)
  const takeBack = world.time.install()
  try {
    world.begin()
    for (const wish of world.workload.opening()) world.submit(wish)
    schedule(world, trouble, dice)
    await world.time.run(MOST_HAPPENINGS)
    if (history.violations.length === 0) world.checks.finish()
  } catch (error) {
    history.violations.push(
      `thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    )
  } finally {
    takeBack()
  }
  const { now, happened } = world.time
  return { violations: history.violations, lasted: now, happened, commits: history.head?.commit ?? 0 }
}

function schedule(world: World, trouble: Trouble, dice: Dice): void {
  const { time } = world
  let left = 20 + dice.below(40)
  const next = (): void => {
    if (left-- === 0) {
      trouble.calm()
      return settle(world)
    }
    trouble.step()
    time.after(dice.chance(0.8) ? dice.between(0, 150) : dice.between(0, 1_500), null, next)
  }
  time.after(50, null, next)
}

/** Looks until all is well, or for too long. */
function settle(world: World): void {
  const { time } = world
  const since = time.now
  const look = (): void => {
    const unsettled = world.checks.unsettled()
    if (unsettled.length === 0) return time.stop()
    if (time.now - since > SETTLES_MS) {
      world.history.violations.push(`I6: after ${SETTLES_MS / 1_000} s of calm ${unsettled.join('; ')}`)
      return time.stop()
    }
    time.after(LOOK_MS, null, look)
  }
  look()
}
