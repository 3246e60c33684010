/**
 * `npm run bench`: what a request through the gateway costs, next to a bare proxy in Node, nginx and
 * Portkey's gateway, in one run and in alternation. See README.md for how to read it.
 */
import { writeFile } from 'node:fs/promises'
import { cpus, loadavg, release } from 'node:os'
import { join } from 'node:path'
import { diceOf } from '#contracts/routing/dice.ts'
import { freePort } from '../services/server.ts'
import { conclude } from '../runs/options.ts'
import { judgeAll } from './goals.ts'
import { whyNoInstructions } from './machine/instructions.ts'
import { placeOurselves, startOn, type Placement } from './machine/placement.ts'
import { readBenchOptions, USAGE } from './options.ts'
import { PHASES } from './phases.ts'
import { byPhase, ceilingNote, goalReport, jsonReport, missedSpines, phaseReport } from './report.ts'
import { runPhase, type Window } from './rounds.ts'
import { startBare } from './subjects/bare.ts'
import { startGateway } from './subjects/gateway.ts'
import { startNginx } from './subjects/nginx.ts'
import { startPortkey } from './subjects/portkey.ts'
import {
  asItIs,
  type Started,
  type Subject,
  type SubjectName,
  type Surroundings,
} from './subjects/subject.ts'

const read = readBenchOptions(process.argv.slice(2))
if (!read.ok) {
  process.stderr.write(`${read.error}\n\n${USAGE}\n`)
  process.exit(64)
}
const options = read.value

const print = (text: string): void => void process.stdout.write(`${text}\n`)
/** Progress: not part of the report. */
const say = (line: string): void => void process.stderr.write(`${line}\n`)

const loads = [loadNow()]
await using stack = new AsyncDisposableStack()
const placement = await placeOurselves()
const noInstructions = await whyNoInstructions()
const upstreamPort = await startUpstream(placement)
const direct: Subject = {
  name: 'direct',
  what: 'the upstream itself',
  port: upstreamPort,
  pid: null,
  headers: {},
  modelFor: asItIs,
  [Symbol.asyncDispose]: async () => undefined,
}
const subjects = [direct]
const skipped: string[] = noInstructions === null ? [] : [`instructions: ${noInstructions}`]
const around = { upstreamPort, placement, models: [...new Set(PHASES.map(({ model }) => model))], say }
for (const name of options.subjects) {
  say(`starting ${name}`)
  const started = await start(name, around)
  if (started.kind === 'skipped') skipped.push(`${name}: ${started.why}`)
  else subjects.push(stack.use(started.subject))
}

const windows: Window[] = []
const [hasInstructions, onWindow] = [noInstructions === null, keep]
const onLeftOut = (phase: string, subject: string, why: string): void => {
  skipped.push(`${subject} in ${phase}: ${why}`)
  say(`${phase}: ${subject} is left out: ${why}`)
}
const { rounds, seconds, warmUpS, noiseCores } = options
const random = diceOf(options.seed)
for (const phase of options.phases) {
  await runPhase(phase, subjects, {
    rounds,
    seconds,
    warmUpS,
    noiseCores,
    random,
    hasInstructions,
    onWindow,
    onLeftOut,
  })
  loads.push(loadNow())
}

const failures = windows
  .filter(({ subject }) => subject === 'gateway')
  .reduce((sum, { load }) => sum + load.failures + load.incomplete, 0)
const setting = {
  lines: [
    `${cpus().length} processors (${cpus()[0]?.model.trim() ?? 'unknown'}), Linux ${release()}, Node ${process.version}`,
    placement.words,
    `${rounds} rounds of ${seconds} s; medians over rounds, ratios paired by round`,
    `load average before and after each phase: ${loads.join(', ')}`,
    ...subjects.map(({ name, what }) => `${name}: ${what}`),
  ],
  skipped,
}
for (const line of setting.lines) print(line)
for (const line of skipped) print(`skipped: ${line}`)
for (const phase of options.phases) print(phaseReport(phase, windows, hasInstructions))
const note = ceilingNote(windows)
if (note !== null) print(`\n${note}`)
const judgements = judgeAll(byPhase(windows))
print(`\n${goalReport(judgements)}\n`)
if (options.json !== null) await writeFile(options.json, jsonReport(setting, options.phases, windows))
const unmeasured = options.phases.filter(
  ({ name }) => !windows.some(({ phase, subject }) => phase === name && subject === 'gateway'),
)
conclude([
  ...(options.subjects.includes('gateway') ? unmeasured : []).map(
    ({ name }) => `the gateway took no part in ${name}`,
  ),
  ...(failures > 0 ? [`${failures} requests failed`] : []),
  ...missedSpines(judgements),
])

function keep(window: Window): void {
  windows.push(window)
  const { phase, round, subject, unitsPerSecond, cost, load, foreignCores } = window
  const used = cost === null ? '' : `${cost.cpuUs.toFixed(1)} us`
  const failed = load.failures + load.incomplete
  say(
    `${phase.padEnd(9)} ${round}  ${subject.padEnd(8)} ${unitsPerSecond.toFixed(0).padStart(7)}/s  ${used.padStart(10)}` +
      `  p50 ${load.latencyMs.p50.toFixed(2)} ms  foreign ${foreignCores.toFixed(2)}${failed > 0 ? `  FAILED ${failed}` : ''}`,
  )
}

async function start(name: SubjectName, here: Surroundings): Promise<Started> {
  switch (name) {
    case 'gateway':
      return { kind: 'started', subject: await startGateway(here) }
    case 'bare':
      return startBare(here)
    case 'nginx':
      return startNginx(here)
    case 'portkey':
      return startPortkey(here)
    case 'direct':
      return { kind: 'started', subject: direct }
    default:
      return name satisfies never
  }
}

async function startUpstream({ upstreamCpu }: Placement): Promise<number> {
  const port = await freePort()
  const upstream = stack.use(
    await startOn(upstreamCpu, process.execPath, [join(import.meta.dirname, 'upstream.ts'), String(port)]),
  )
  await upstream.waitForLine(/^upstream on/)
  return port
}

function loadNow(): string {
  return (loadavg()[0] ?? 0).toFixed(2)
}
