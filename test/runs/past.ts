/**
 * The past of a long log is answered quickly, and is what was.
 *
 *     node test/runs/past.ts --commits 100000 --keys 5000 --questions 20 --seed 1
 *
 * `first` is a log that nobody ever asked about, folded from its beginning; `cold` a process that starts with
 * the states that were kept then; `warm` the same process asked again about places at random.
 */
import { canonical } from '#contracts/canonical.ts'
import { EMPTY_CATALOG } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { readCommit, type WireCommit } from '#contracts/commit/commit.ts'
import { stateDigest } from '#contracts/commit/digest.ts'
import { clientKeyStream, keyId } from '#contracts/ids.ts'
import { History } from '#control-plane/audit/history.ts'
import { Refold, verifyAll } from '#control-plane/audit/verify-all.ts'
import { Signer } from '#control-plane/audit/signer.ts'
import { openDatabase, serverPool } from '#control-plane/store/database.ts'
import { EventLog } from '#control-plane/store/event-log.ts'
import { migrate } from '#control-plane/store/migrate.ts'
import { Past } from '#control-plane/store/past.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { sql } from 'kysely'
import { buildCommits, metaOf } from '../arbitraries/commits.ts'
import { wholeBetween } from '../faults/dice.ts'
import { startPostgres } from '../services/services.ts'
import { conclude, quantile, readOptions, say } from './options.ts'

const options = readOptions({
  commits: 100_000,
  keys: 5_000,
  questions: 20,
  coldMs: 1_500,
  warmMs: 150,
  seed: 1,
})
const random = diceOf(options.seed)
const problems: string[] = []
const silent = { debug: drop, info: drop, warn: drop, error: drop, child: () => silent }

await using postgres = await startPostgres()
const database = openDatabase(serverPool(postgres.url))
await migrate(database, true)

const wires = buildCommits(Array.from({ length: options.commits }, (_, at) => [eventAt(at)]))
for (let at = 0; at < wires.length; at += 2_000) await store(wires.slice(at, at + 2_000))
say(`${wires.length} commits about ${options.keys} keys`)

const head = wires.length
const past = new Past(database)
const signer = new Signer(Buffer.alloc(32, 1))
const start = () => new History({ past, signer, head: () => EMPTY_CATALOG, logger: silent })
const ask = async (history: History, commit: number): Promise<number> => {
  const began = performance.now()
  const catalog = await history.at(commit)
  const took = performance.now() - began
  if (catalog.commit !== commit) problems.push(`asked for commit ${commit}, got ${catalog.commit}`)
  return took
}

say(`first: ${(await ask(start(), head)).toFixed(0)} ms`)
const cold: number[] = []
for (let at = 0; at < options.questions; at++) cold.push(await ask(start(), wholeBetween(random, 1, head)))
say(`cold: p50 ${quantile(cold, 0.5).toFixed(0)} ms, worst ${Math.max(...cold).toFixed(0)} ms`)
const history = start()
await ask(history, head)
const warm: number[] = []
for (let at = 0; at < options.questions; at++) warm.push(await ask(history, wholeBetween(random, 1, head)))
const again = await ask(history, head)
say(`warm: p50 ${quantile(warm, 0.5).toFixed(0)} ms, worst ${Math.max(...warm, again).toFixed(0)} ms`)
if (Math.max(...cold) > options.coldMs) problems.push(`a cold answer took more than ${options.coldMs} ms`)
if (quantile(warm, 0.5) > options.warmMs) problems.push(`warm answers take more than ${options.warmMs} ms`)

const refold = new Refold()
const began = performance.now()
const log = new EventLog(database)
const chain = wires.at(-1)?.chain ?? ''
const check = await verifyAll(
  (after, limit) => log.read(after, limit),
  new Map([[head, chain]]),
  undefined,
  refold.take,
)
say(`replay, every link checked: ${(performance.now() - began).toFixed(0)} ms`)
const expected = stateDigest(foldCommits(EMPTY_CATALOG, wires.map(readCommit)))
if (!check.ok) problems.push(`the replay found ${JSON.stringify(check.firstBad)}`)
if (stateDigest(refold.catalog) !== expected) problems.push('the replay folds to another state')
if (stateDigest(await history.at(head)) !== expected) problems.push('the kept states lead to another state')
await database.destroy()
conclude(problems)

/** Keys are issued first, and then changed again and again. */
function eventAt(at: number): CatalogEvent {
  const stream = clientKeyStream(keyId(`key_${at % options.keys}`))
  if (at < options.keys) {
    const digest = String(at).padStart(43, 'd')
    const body = {
      origin: 'api',
      name: `key ${at}`,
      digest,
      prefix: 'sk-ap-123456',
      expiresAt: null,
    } as const
    return { type: 'ClientKeyIssued', stream, body }
  }
  return { type: 'ClientKeyExpirySet', stream, body: { expiresAt: 1_700_000_000_000 + at } }
}

async function store(commits: readonly WireCommit[]): Promise<void> {
  await database
    .insertInto('cp_commit')
    .values(
      commits.map((wire) => ({
        commit_no: wire.commit,
        epoch: wire.epoch,
        prev: Buffer.from(wire.prev, 'hex'),
        chain: Buffer.from(wire.chain, 'hex'),
        leaves: Buffer.from(wire.leaves.join(''), 'hex'),
        meta: canonical(metaOf(wire.commit)),
        at: wire.at,
      })),
    )
    .execute()
  await database
    .insertInto('cp_event')
    .values(
      commits.flatMap((wire) =>
        wire.events.map(({ i, stream, sver, type, sv, body }) => ({
          commit_no: wire.commit,
          idx: i,
          stream,
          version: sver,
          type,
          schema_version: sv,
          body,
        })),
      ),
    )
    .execute()
  await sql`analyze`.execute(database)
}

function drop(): void {
  // Nobody reads it.
}
