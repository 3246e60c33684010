/**
 * Takes the windows of one phase: every subject once, then every subject again, each time in another order
 * (A B C D, C A D B …), so that whatever else the machine does hits all of them alike and each window has its
 * neighbours to compare with.
 */
import type { Random } from '#contracts/process/clock.ts'
import { shuffled } from '../faults/dice.ts'
import { countInstructions } from './machine/instructions.ts'
import { cpuSeconds, machineSeconds, processTree, residentBytes, usageOf } from './machine/usage.ts'
import { runLoad, type LoadPlan } from './load/load.ts'
import type { LoadResult } from './load/tally.ts'
import { chatBody, type Phase } from './phases.ts'
import type { Subject, SubjectName } from './subjects/subject.ts'

/** What a subject used in a window. */
export type Cost = Readonly<{
  /** CPU time of the whole process tree, in microseconds for each unit of the phase. */
  cpuUs: number
  userUs: number
  kernelUs: number
  /** For each unit; null: this machine cannot count them. */
  instructions: number | null
  /** Processors in use. */
  cores: number
  /** At the end of the window, and before the load began. */
  rssBytes: number
  idleRssBytes: number
}>

export type Window = Readonly<{
  phase: string
  subject: SubjectName
  round: number
  load: LoadResult
  unitsPerSecond: number
  /** Null for the upstream itself. */
  cost: Cost | null
  /** Processors that other programs used, or the host took, meanwhile. */
  foreignCores: number
}>

export type RoundOptions = Readonly<{
  rounds: number
  seconds: number
  warmUpS: number
  noiseCores: number
  random: Random
  hasInstructions: boolean
  onWindow: (window: Window) => void
  /** A subject that fails while it warms up takes no part in the phase. */
  onLeftOut: (phase: string, subject: SubjectName, why: string) => void
}>

const PATH = '/v1/chat/completions'
/** Warm-ups are repeated up to so many times, until there were so many answers (or chunks). */
const MOST_WARM_UPS = 8
/**
 * After 3 000 a node took nearly twice what it took after 12 000, the bare proxy half as much again. After 20 000 a
 * node still took a third more in its first window than in those that followed, in four nodes of five.
 */
const WARM_ANSWERS = 60_000
/** A noisy window is taken again at most this often; the quietest counts. */
const REPEATS = 2
/** Before a window: the machine is looked at this often, for so long each time, until it is quiet. */
const QUIET_LOOKS = 12
const QUIET_LOOK_MS = 250
/** What the idle subjects and their servers use. */
const IDLE_CORES = 0.1
/** `perf` begins a little late and must end with the window, in seconds. */
const PERF_MARGIN_S = 0.2

export async function runPhase(
  phase: Phase,
  subjects: readonly Subject[],
  options: RoundOptions,
): Promise<void> {
  const taking: Subject[] = []
  for (const subject of subjects) {
    const { answers, failures } = await warmUp(phase, subject, options)
    if (answers > 0 && failures === 0) taking.push(subject)
    else options.onLeftOut(phase.name, subject.name, `${failures} failures, ${answers} answers`)
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const subject of shuffled(taking, options.random))
      options.onWindow(await measureQuietly(phase, subject, options, round))
  }
}

/** Until the compiler has seen enough of it: on a busy machine the time alone would not do. */
async function warmUp(
  phase: Phase,
  subject: Subject,
  options: RoundOptions,
): Promise<Readonly<{ answers: number; failures: number }>> {
  const warming = { ...options, seconds: options.warmUpS, hasInstructions: false }
  let [answers, failures] = [0, 0]
  for (let count = 0; count < MOST_WARM_UPS && answers < WARM_ANSWERS && failures === 0; count++) {
    const { load } = await measure(phase, subject, warming, 0)
    answers += phase.unit === 'chunk' ? load.chunks : load.answers
    failures += load.failures
  }
  return { answers, failures }
}

async function measureQuietly(
  phase: Phase,
  subject: Subject,
  options: RoundOptions,
  round: number,
): Promise<Window> {
  await waitForQuiet(options.noiseCores)
  let best = await measure(phase, subject, options, round)
  for (let again = 0; again < REPEATS && best.foreignCores > options.noiseCores; again++) {
    await waitForQuiet(options.noiseCores)
    const next = await measure(phase, subject, options, round)
    if (next.foreignCores < best.foreignCores) best = next
  }
  return best
}

/** Waits while others are busy, for a moment at most: on some machines somebody always is. */
async function waitForQuiet(noiseCores: number): Promise<void> {
  for (let look = 0; look < QUIET_LOOKS; look++) {
    const [machine, beganAt] = [machineSeconds(), performance.now()]
    await new Promise((resolve) => setTimeout(resolve, QUIET_LOOK_MS))
    const cores = (machineSeconds() - machine) / ((performance.now() - beganAt) / 1_000)
    if (cores <= Math.max(noiseCores, IDLE_CORES)) return
  }
}

async function measure(
  phase: Phase,
  subject: Subject,
  { seconds, hasInstructions }: Pick<RoundOptions, 'seconds' | 'hasInstructions'>,
  round: number,
): Promise<Window> {
  const pids = subject.pid === null ? [] : processTree(subject.pid)
  const idleRssBytes = residentBytes(pids)
  // With the subject, the upstream and everything else we started: the rest of the machine is foreign.
  const ours = processTree(process.pid)
  const read = () => ({ subject: usageOf(pids), ours: cpuSeconds(usageOf(ours)), machine: machineSeconds() })
  let [before, after] = [read(), read()]
  let rssBytes = 0
  const counting = { seconds: seconds - PERF_MARGIN_S, total: Promise.resolve<number | null>(null) }
  const load = await runLoad(planOf(phase, subject, seconds), {
    onBegin: () => {
      if (hasInstructions && pids.length > 0) counting.total = countInstructions(pids, counting.seconds)
      before = read()
    },
    onEnd: () => {
      after = read()
      rssBytes = residentBytes(pids)
    },
  })
  const units = phase.unit === 'chunk' ? load.chunks : load.answers
  const each = (used: number): number => (used / units) * 1e6
  const [userS, kernelS] = [
    after.subject.userS - before.subject.userS,
    after.subject.kernelS - before.subject.kernelS,
  ]
  const unitsPerSecond = units / load.seconds
  const instructions = await counting.total
  const cost = {
    cpuUs: each(userS + kernelS),
    userUs: each(userS),
    kernelUs: each(kernelS),
    instructions: instructions === null ? null : instructions / (unitsPerSecond * counting.seconds),
    cores: (userS + kernelS) / load.seconds,
    rssBytes,
    idleRssBytes,
  }
  return {
    phase: phase.name,
    subject: subject.name,
    round,
    load,
    unitsPerSecond,
    cost: pids.length === 0 ? null : cost,
    foreignCores: Math.max(0, after.machine - before.machine - (after.ours - before.ours)) / load.seconds,
  }
}

function planOf(phase: Phase, { port, headers, modelFor }: Subject, seconds: number): LoadPlan {
  const { stream, connections, ratePerSecond, settleMs, model } = phase
  const body = chatBody(modelFor(model), phase)
  return {
    port,
    path: PATH,
    headers,
    body,
    stream,
    connections,
    ratePerSecond,
    settleMs,
    windowMs: seconds * 1_000,
  }
}
