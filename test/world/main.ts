/**
 * Worlds that go wrong, by seed: control planes, broker, nodes and probers under virtual time, with every
 * invariant checked as they go (`test/world/checks.ts`).
 *
 *     npm run run:world -- --seeds 100000                 # this release alone
 *     npm run run:world -- --seeds 200 --mixed            # upgraded from the release before, in any order
 *     npm run run:world -- --zoo --seeds 100000           # each planted bug until it is found, at most so many
 *     npm run run:world -- --zoo --bugs no-gap-check      # some of them
 *     npm run run:world -- --seeds 100 --bugs no-gap-check  # with one planted: ends as a run that found it does
 *     npm run run:world -- --seed 12345 --trace           # one again, and what happened in it
 *
 * One process and one core; `--seed-base` takes seeds nobody has seen. A failure says how to see it again, and
 * ends the run with exit code 1.
 */
import { parseArgs } from 'node:util'
import { BEFORE } from './release/mixed.ts'
import { play, type Cast } from './play.ts'
import { loadOracle, loadRelease, type Change } from './release/releases.ts'
import { BUGS, type Bug } from './zoo/bugs.ts'
import { conclude, say } from '../runs/options.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    'seed-base': { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    mixed: { type: 'boolean', default: false },
    zoo: { type: 'boolean', default: false },
    bugs: { type: 'string' },
  },
})
const chosen =
  values.bugs === undefined ? BUGS : BUGS.filter(({ name }) => values.bugs?.split(',').includes(name))
if (chosen.length === 0) throw new Error(`there is no bug ${values.bugs}`)
/** Said now and then, in milliseconds. */
const PROGRESS_MS = 30_000
/** A run that goes on failing has said enough. */
const MOST_FAILURES = 20

/** This release, with or without a bug, alone or after the release before. */
async function castOf(bug: Bug | null, isMixed: boolean): Promise<Cast> {
  const name = (release: string): string => (bug === null ? release : `${release} with ${bug.name}`)
  const changes: readonly Change[] = bug?.changes ?? []
  const releases = [await loadRelease(name('now'), changes)]
  const oracles = [await loadOracle('right now', [])]
  if (isMixed) {
    releases.unshift(await loadRelease(name('before'), [...BEFORE, ...changes]))
    oracles.unshift(await loadOracle('right before', BEFORE))
  }
  return { releases, oracles }
}

type Found = Readonly<{ seed: number; violation: string }>

/** Plays one world after another until `isEnough`. @returns what was violated. */
async function playAll(
  cast: Cast,
  isEnough: (found: readonly Found[]) => boolean,
): Promise<readonly Found[]> {
  const found: Found[] = []
  const first = Number(values['seed-base'])
  const cpu = process.cpuUsage()
  let saidAt = performance.now()
  let happened = 0
  let commits = 0
  const progress = (played: number): void => {
    const { user, system } = process.cpuUsage(cpu)
    const rate = Math.round(played / ((user + system) / 1e6))
    const each = `${Math.round(happened / played)} happenings and ${(commits / played).toFixed(1)} commits each`
    say(`${played} worlds, ${found.length} with violations; ${rate} a CPU second, ${each}`)
    saidAt = performance.now()
  }
  for (let seed = first; seed < first + Number(values.seeds) && !isEnough(found); seed++) {
    const verdict = await play(seed, cast, null)
    happened += verdict.happened
    commits += verdict.commits
    const [violation] = verdict.violations
    if (violation !== undefined) {
      found.push({ seed, violation })
      // A run that is stopped has said what it found.
      say(`seed ${seed}: ${violation.slice(0, 300)}`)
    }
    if (performance.now() - saidAt > PROGRESS_MS || seed === first + Number(values.seeds) - 1)
      progress(seed - first + 1)
    // Lets what else this process does have its turn.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return found
}

const replay = (seed: number, bug: Bug | null): string => {
  const more = [
    values.mixed || bug?.isMixed === true ? ' --mixed' : '',
    bug === null ? '' : ` --bugs ${bug.name}`,
  ]
  return `npm run run:world -- --seed ${seed}${more.join('')} --trace`
}

/** Of a run that is not the zoo: the one that was asked for. */
const planted = values.bugs === undefined ? null : (chosen[0] ?? null)
const castOfRun = (): Promise<Cast> => castOf(planted, values.mixed || planted?.isMixed === true)

async function playOne(seed: number): Promise<readonly string[]> {
  const { violations } = await play(
    seed,
    await castOfRun(),
    values.trace ? (line) => process.stdout.write(`${line}\n`) : null,
  )
  return violations
}

async function playZoo(): Promise<readonly string[]> {
  const missed: string[] = []
  for (const bug of chosen) {
    const cast = await castOf(bug, values.mixed || bug.isMixed === true)
    const [found] = await playAll(cast, (all) => all.length > 0)
    if (found === undefined) missed.push(`${bug.name} was not found in ${values.seeds} worlds: ${bug.what}`)
    else {
      const tries = found.seed - Number(values['seed-base']) + 1
      say(`${bug.name}: found in world ${tries}, ${found.violation.slice(0, 200)}`)
      say(`    ${replay(found.seed, bug)}`)
    }
  }
  return missed
}

async function playMany(): Promise<readonly string[]> {
  const found = await playAll(await castOfRun(), (all) => all.length >= MOST_FAILURES)
  return found.map(({ seed, violation }) => `${violation.slice(0, 1_000)}\n        ${replay(seed, planted)}`)
}

if (values.seed !== undefined) conclude(await playOne(Number(values.seed)))
else conclude(await (values.zoo ? playZoo() : playMany()))
