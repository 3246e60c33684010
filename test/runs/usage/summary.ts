/**
 * How long a summary by key over 30 days takes, with many rows in the books.
 *
 *     node test/runs/usage/summary.ts --rows 1000000 --keys 200 --within 300
 *
 * Rows go in as they do in production, through the books, so that their sums are those that production has.
 */
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import { openDatabase, serverPool } from '#control-plane/store/database.ts'
import { migrate } from '#control-plane/store/migrate.ts'
import { DAY_MS, dateOf, dayOf, UsageBooks } from '#control-plane/store/usage-books.ts'
import { UsageReport } from '#control-plane/store/usage-report.ts'
import { entry, MARCH, usageRecord } from '../../control-plane/usage-record.ts'
import { startPostgres } from '../../services/services.ts'
import { conclude, quantile, readOptions, say } from '../options.ts'

const options = readOptions({ rows: 1_000_000, keys: 200, models: 20, within: 300, rounds: 20 })
const DAYS = 30
const ROWS_AT_ONCE = 1_000

await using stack = new AsyncDisposableStack()
const { url } = stack.use(await startPostgres())
const database = stack.adopt(openDatabase(serverPool(url)), (opened) => opened.destroy())
await migrate(database, true)
const books = new UsageBooks(database)
const report = new UsageReport(database)

let added = 0
for (let from = 0; from < options.rows; from += ROWS_AT_ONCE) {
  const rows = Array.from({ length: Math.min(ROWS_AT_ONCE, options.rows - from) }, (_, at) => row(from + at))
  added += (await books.enter(rows)).added
  if (added % 100_000 === 0) say(`${added} rows`)
}
say(`${added} rows of ${options.keys} keys and ${options.models} models over ${DAYS} days are in the books`)

const first = dayOf(MARCH)
const filter = { from: dateOf(first), to: dateOf(first + DAYS - 1) }
const times: number[] = []
let requests = 0
for (let round = 0; round < options.rounds; round++) {
  const beganAt = performance.now()
  const summary = await report.summary('key', filter, 1_000)
  times.push(performance.now() - beganAt)
  requests = summary.reduce((sum, one) => sum + one.requests, 0)
}
const [median, worst] = [quantile(times, 0.5), quantile(times, 1)]
say(
  `summary by key: first ${times[0]?.toFixed(0)} ms, p50 ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms`,
)
conclude([
  ...(requests === options.rows ? [] : [`the summary counts ${requests} requests of ${options.rows}`]),
  ...(worst <= options.within ? [] : [`${worst.toFixed(0)} ms are more than ${options.within}`]),
])

/** Spread evenly, the same in every run. */
function row(at: number): ReturnType<typeof entry> {
  const key = (at * 7_919) % options.keys
  const model = `model-${(at * 104_729) % options.models}`
  const tokens = { ...NO_TOKENS, input: 100 + (at % 900), output: 10 + (at % 90) }
  const time = MARCH + ((at * 611_953) % (DAYS * DAY_MS))
  return entry(usageRecord(`r${at}`, { at: time, key: `key_${key}`, model, upstream: model, tokens }), {
    tags: [`team-${key % 10}`],
  })
}
