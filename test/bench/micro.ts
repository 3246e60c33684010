/**
 * `npm run bench:micro`: what single steps cost, in this process alone: those every request takes, and those
 * a node takes when the configuration changes.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BusUnavailable } from '#contracts/bus/bus.ts'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { CHAIN_START, verifyCommit } from '#contracts/commit/chain.ts'
import {
  decodeCommit,
  encodeCommit,
  readCommit,
  type Commit,
  type WireCommit,
} from '#contracts/commit/commit.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { keyId, nodeId, providerStream, providerId } from '#contracts/ids.ts'
import { idOfRecord } from '#contracts/usage/record.ts'
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import { requestIds } from '#data-plane/api/request-id.ts'
import { NATIVE_ANSWERS } from '#data-plane/dialects/native/answers.ts'
import { NATIVE_METER } from '#data-plane/dialects/native/meter.ts'
import { readRequest } from '#data-plane/dialects/native/read-request.ts'
import { scanTopLevel } from '#data-plane/dialects/json-scan.ts'
import { skimTopLevel } from '#data-plane/dialects/json-skim.ts'
import { compileSnapshot, type CompileInput } from '#data-plane/routing/compile.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { WeightFactors } from '#data-plane/routing/factors.ts'
import { pick } from '#contracts/routing/pick.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { SOUND } from '#contracts/routing/standing.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import type { Deployment, Principal } from '#data-plane/routing/snapshot.ts'
import type { Prepared } from '#data-plane/upstream/attempt.ts'
import { choose } from '#data-plane/upstream/choose.ts'
import { NativePassage } from '#data-plane/upstream/passage/native.ts'
import { failure } from '#data-plane/upstream/classify.ts'
import { Health } from '#data-plane/upstream/health/health.ts'
import { Account, type RequestEntry } from '#data-plane/usage/account.ts'
import { Spool } from '#data-plane/usage/spool.ts'
import { entryOf } from '#data-plane/usage/text.ts'
import { buildCommits } from '../arbitraries/commits.ts'
import { jsonAnswer } from '../fakes/chat-answer.ts'
import { candidate } from '../fakes/deployment.ts'
import { keyIssued, providerRegistered } from '../model/log-builder.ts'
import { removeWhenWeDie } from '../processes/guard.ts'
import { conversions } from './conversions.ts'
import { chatBody, PHASES } from './phases.ts'

/** One batch of calls takes about this long, and this many batches are timed, in milliseconds. */
const BATCH_MS = 60
const BATCHES = 7

type Case = Readonly<{
  what: string
  unit: string
  run: () => unknown
  /** Units in one call. */ per?: number
}>

const print = (text: string): void => void process.stdout.write(`${text}\n`)

/** Kept, so that no engine may leave the work out. */
const results: { last: unknown } = { last: null }

const clockTime = (): number => performance.now()
/** Of this process; what others do on the machine meanwhile does not count. In milliseconds. */
function processorTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** @returns nanoseconds a call: the median of the batches, and the fastest. */
function time(run: () => unknown, now = clockTime): Readonly<{ median: number; least: number }> {
  const batch = (calls: number): number => {
    const beganAt = now()
    for (let call = 0; call < calls; call++) results.last = run()
    return now() - beganAt
  }
  let calls = 1
  // Grows until a batch is long enough; warms the compiler up on the way.
  while (batch(calls) < BATCH_MS / 2) calls *= 2
  const times = Array.from({ length: BATCHES }, () => (batch(calls) / calls) * 1e6).sort((a, b) => a - b)
  return { median: times[BATCHES >> 1] ?? 0, least: times[0] ?? 0 }
}

function* requestCases(): Generator<Case> {
  const dice = diceOf(1)
  for (const count of [1, 8, 100]) {
    const candidates = Array.from({ length: count }, (_, at) => candidate(`p${at}`, { weight: 1 + (at % 5) }))
    const input = {
      standing: () => SOUND,
      futility: () => 0,
      dice,
      session: null,
      taste: STRATEGIES.balanced,
      region: null,
    }
    yield { what: `pick of ${count}, all sound`, unit: 'request', run: () => pick(candidates, input) }
  }
  yield* choiceCases()
  yield* usageCases()
  const wanted = ['model', 'stream']
  const [small, large] = ['sat', 'big100k'].map((name) => {
    const phase = PHASES.find((one) => one.name === name)
    return phase === undefined ? Buffer.alloc(0) : chatBody(phase.model, phase)
  }) as [Buffer, Buffer]
  yield { what: 'scan a body of 700 B', unit: 'request', run: () => scanTopLevel(small, wanted) }
  yield { what: 'scan a body of 100 KB', unit: 'request', run: () => scanTopLevel(large, wanted) }
  yield { what: 'skim a body of 100 KB', unit: 'request', run: () => skimTopLevel(large, wanted) }
  yield {
    what: 'JSON.parse the same 100 KB',
    unit: 'request',
    run: () => JSON.parse(large.toString()) as unknown,
  }
  yield { what: 'read a request of 700 B', unit: 'request', run: () => readRequest(small, undefined) }
  yield { what: 'read a request of 100 KB', unit: 'request', run: () => readRequest(large, undefined) }
  const passage = new NativePassage({
    answers: NATIVE_ANSWERS['openai-chat'],
    meter: NATIVE_METER['openai-chat'],
    errorEvent: () => '',
  })
  const words = 'the quick brown fox jumps over a lazy dog '.repeat(7).split(/(?= )/)
  const asked = { model: 'mock-j600', stream: false, includeUsage: false, promptWords: 150 }
  const answer = Buffer.from(jsonAnswer(asked, words, 1))
  yield { what: 'judge and meter an answer of 600 B', unit: 'request', run: () => passage.judgeBody(answer) }
}

/** What the books cost: the record alone, and with what is written down before the request is sent. */
function* usageCases(): Generator<Case> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-spool-'))
  removeWhenWeDie(folder)
  const away = { publish: () => Promise.reject(new BusUnavailable('away')) }
  const ports = {
    stream: away,
    mostBytes: 64 * 1024 * 1024,
    idOf: idOfRecord,

    onProblem: print,
    clock: systemClock,
  }
  const snapshot = { keyId: keyId('key_1') } as Principal
  const { deployment } = candidate('p0', {})
  const lane = deployment.lanes[0]!
  const spent = { tokens: { ...NO_TOKENS, input: 150, output: 80 }, isEstimated: false }
  const newId = requestIds()
  const lineOf = entryOf(nodeId('node_1'))
  const line = (entry: RequestEntry | null): string => (entry === null ? '' : lineOf(entry.members))
  const body = chatBody('gpt-4o', PHASES[0]!)
  const prepared = { dialect: 'openai-chat', body } as Prepared
  const begin = (): Account => {
    const account = new Account(newId(), 1_700_000_000_000, 1)
    account.calledBy(snapshot, 1, 'chat')
    account.askedFor('gpt-4o', false)
    account.routed('gpt-4o', null, 42)
    return account
  }
  const end = (account: Account): string => {
    const told = { outcome: 'success', firstMs: 300, slowness: null, totalMs: 400, habit: null } as const
    const rest = { spent, status: 0, warnings: [], dialect: 'openai-chat' } as const
    account.attempted({ deployment, lane, why: 'weight', ...told, ...rest }, null)
    return line(account.close(200, 400))
  }
  const begun = { deployment, lane, why: 'weight', prepared } as const
  const whole = (account: Account): string => line(account.intend(begun)) + end(account)
  yield { what: 'record of a request, as a line', unit: 'request', run: () => end(begin()) }
  yield { what: '… and its intent', unit: 'request', run: () => whole(begin()) }
  const spool = new Spool({ ...ports, folder })
  yield {
    what: '… both written to disk',
    unit: 'request',
    run: () => {
      const account = begin()
      const entry = account.intend(begun)
      if (entry === null) return
      spool.intend(entry.intent, line(entry))
      spool.writeIntents()
      spool.append(entry.intent, end(account))
    },
  }
}

/** The choice as a request makes it, with what the node knows of each candidate read anew. */
function* choiceCases(): Generator<Case> {
  for (const [few, others] of [
    [8, 0],
    [100, 0],
    [8, 10_000],
  ] as const) {
    const all = Array.from({ length: few + others }, (_, at) => candidate(`p${at}`, { weight: 1 + (at % 5) }))
    const health = new Health({
      factors: new WeightFactors(new Slots()),
      random: diceOf(1),
      onEdge: () => undefined,
    })
    const ask = { mode: 'sse' as const, size: 1 }
    let now = 0
    // Everyone has been used, and one in four has failed lately: nothing is left to the fast cases.
    for (const { deployment } of all) {
      for (let count = 0; count < 30; count++) {
        const ticket = health.begin(deployment, deployment.lanes[0]!, ask, 'cold', now)
        health.first(ticket, 300 + count, now)
        health.end(ticket, count % 4 === 0 ? failure('cut') : null, null, now)
      }
    }
    const choice = {
      candidates: all.slice(0, few),
      taste: STRATEGIES.balanced,
      region: null,
      session: null,
      ask,
      dice: diceOf(2),
    }
    const none: ReadonlySet<Deployment> = new Set()
    const beside = others === 0 ? '' : `, ${others} more configured`
    yield {
      what: `choose among ${few}${beside}`,
      unit: 'request',
      run: () => choose(health, choice, none, (now += 0.1)),
    }
  }
}

const PROVIDERS = 1_000
const KEYS = 10_000
const EVENTS = 100_000

function* configurationCases(): Generator<Case> {
  const registered = Array.from({ length: PROVIDERS }, (_, at) => providerRegistered(`provider-${at}`))
  const issued = Array.from({ length: KEYS }, (_, at) => keyIssued(`key_${at}`))
  const large = folded([...registered, ...issued])
  yield {
    what: `compile ${PROVIDERS} providers and ${KEYS} keys`,
    unit: 'snapshot',
    run: () => compileSnapshot(compileInput(large)),
  }
  const fresh = compileInput(large)
  const previous = compileSnapshot(fresh)
  const changed = { ...fresh, previous, catalog: foldCommits(large, [commitOf(2, [renamed(7)])]) }
  yield { what: '… again after one provider changed', unit: 'snapshot', run: () => compileSnapshot(changed) }

  const history = historyOf(EVENTS)
  yield {
    what: `fold ${EVENTS} events`,
    unit: 'event',
    per: EVENTS,
    run: () => foldCommits(EMPTY_CATALOG, history),
  }
  const wires = buildCommits(Array.from({ length: 1_000 }, (_, at) => [renamed(at % PROVIDERS)]))
  yield { what: 'verify a commit', unit: 'commit', per: wires.length, run: () => verifyAll(wires) }
  const texts = wires.map(encodeCommit)
  yield {
    what: 'decode and read a commit',
    unit: 'commit',
    per: texts.length,
    run: () => texts.map(decodedAndRead),
  }
}

const renamed = (at: number): CatalogEvent => ({
  type: 'ProviderRenamed',
  stream: providerStream(providerId(`provider-${at}`)),
  body: { name: `Provider ${at}, by another name` },
})

/** Registrations first, then one change after the other. */
function historyOf(events: number): readonly Commit[] {
  const first = Array.from({ length: PROVIDERS }, (_, at) => providerRegistered(`provider-${at}`))
  const later = Array.from({ length: events - PROVIDERS }, (_, at) => renamed(at % PROVIDERS))
  return [...first, ...later].map((event, at) => commitOf(at + 1, [event]))
}

function commitOf(commit: number, events: readonly CatalogEvent[]): Commit {
  const recorded = events.map((event, at) => ({ ...event, version: at + 1, commit }))
  return { commit, epoch: 1, at: 0, chain: CHAIN_START, events: recorded }
}

const folded = (events: readonly CatalogEvent[]): Catalog => foldCommits(EMPTY_CATALOG, [commitOf(1, events)])

const compileInput = (catalog: Catalog): CompileInput => ({
  catalog,
  digest: '',
  secret: () => 'secret',
  discovered: new Map(),
  slots: { deployments: new Slots(), providers: new Slots(), lanes: new Slots() },
  previous: null,
})

function decodedAndRead(text: string): Commit {
  const wire = decodeCommit(text)
  if (!wire.ok) throw new Error(wire.error)
  return readCommit(wire.value)
}

function verifyAll(wires: readonly WireCommit[]): number {
  let prev = CHAIN_START
  let valid = 0
  for (const wire of wires) {
    if (verifyCommit(wire, prev).ok) valid += 1
    prev = wire.chain
  }
  if (valid !== wires.length) throw new Error(`${wires.length - valid} commits do not verify`)
  return valid
}

print(
  `${'step'.padEnd(42)}${'median'.padStart(14)}${'least'.padStart(14)}   nanoseconds, Node ${process.version}`,
)
for (const cases of [requestCases, configurationCases]) {
  for (const { what, unit, run, per = 1 } of cases()) {
    const { median, least } = time(run)
    const show = (nanoseconds: number): string =>
      (nanoseconds / per).toFixed(nanoseconds / per < 100 ? 1 : 0).padStart(14)
    print(`${what.padEnd(42)}${show(median)}${show(least)}   per ${unit}`)
  }
}

print(
  `\n${'conversion'.padEnd(56)}${'native µs'.padStart(12)}${'converted µs'.padStart(14)}${'ratio'.padStart(9)}`,
)
const phase = PHASES.find(({ name }) => name === 'big100k')
for (const { what, native, converted } of conversions(
  phase === undefined ? Buffer.alloc(0) : chatBody(phase.model, phase),
)) {
  const [passing, converting] = [time(native, processorTime).least, time(converted, processorTime).least]
  const micro = (nanoseconds: number): string => (nanoseconds / 1_000).toFixed(1)
  print(
    `${what.padEnd(56)}${micro(passing).padStart(12)}${micro(converting).padStart(14)}${(converting / passing).toFixed(1).padStart(9)}`,
  )
}
