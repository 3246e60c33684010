/**
 * `npm run run:fuzz -- --streams 100000 --seed 1`: streams through every conversion, cut at every byte and
 * spoiled. Every cut must be told alike; whatever is spoiled must crash nothing and end in an end or an error.
 */
import { recordings, type Recording } from '../conformance/recordings.ts'
import {
  carry,
  endsWell,
  openConversion,
  othersThan,
  withLineEnds,
} from '../conformance/streams/cut-streams.ts'
import { diceOf, spoil, type Random } from '../conformance/streams/spoil.ts'
import { conclude, readOptions, say } from './options.ts'

const { streams: wanted, seed, cuts } = readOptions({ streams: 100_000, seed: 1, cuts: 2_000 })
/** Enough to see what is wrong. */
const MOST_PROBLEMS = 20

const problems: string[] = []
const recorded = recordings.flatMap(({ id, dialect, stream }) =>
  stream === null ? [] : [{ id, dialect, stream }],
)
type Recorded = (typeof recorded)[number] & Pick<Recording, 'dialect'>

say(`${recorded.length} recorded streams, seed ${seed}`)
if (recorded.length === 0) problems.push('no recorded traffic: set APIPROXY_FIXTURES')
else {
  const counted = cutAll()
  say(`${counted} cuts told alike`)
  spoilAll(diceOf(seed))
}
conclude(problems.slice(0, MOST_PROBLEMS))

/** Every byte offset where there are no more than `cuts` of them, else as many, evenly spread. */
function cutAll(): number {
  let counted = 0
  for (const { id, dialect, stream } of recorded) {
    for (const to of othersThan(dialect)) {
      const told = carry(openConversion(dialect, to), withLineEnds(stream, '\n'), [])
      for (const lineEnd of ['\n', '\r\n'] as const) {
        const bytes = withLineEnds(stream, lineEnd)
        const step = Math.max(1, bytes.length / cuts)
        for (let at = 0; at < bytes.length; at += step) {
          const cut = Math.floor(at)
          const again = carry(openConversion(dialect, to), bytes, [cut])
          counted += 1
          if (again.text !== told.text || again.ending !== told.ending)
            problems.push(`${id} to ${to}, ${JSON.stringify(lineEnd)}, cut at ${cut}`)
        }
      }
    }
  }
  return counted
}

function spoilAll(random: Random): void {
  const endings = new Map<string, number>()
  for (let time = 1; time <= wanted; time++) {
    const picked = recorded[Math.floor(random() * recorded.length)]
    if (picked === undefined) continue
    const bytes = spoil(picked.stream, random)
    const others = othersThan(picked.dialect)
    const to = others[Math.floor(random() * others.length)] ?? picked.dialect
    const ending = outcomeOf(picked, bytes, to, time)
    endings.set(ending, (endings.get(ending) ?? 0) + 1)
    if (time % 10_000 === 0) say(`${time} spoiled streams, ${problems.length} problems`)
  }
  for (const [ending, count] of endings) say(`${ending}: ${count}`)
}

function outcomeOf({ id, dialect }: Recorded, bytes: Buffer, to: Recorded['dialect'], time: number): string {
  try {
    const outcome = carry(openConversion(dialect, to), bytes, [])
    if (outcome.isRefused) return 'refused before a word'
    if (endsWell(to, outcome)) return outcome.ending
    problems.push(`${id} to ${to}, the ${time}th: told without an end`)
    return 'without an end'
  } catch (error) {
    problems.push(`${id} to ${to}, the ${time}th: ${error instanceof Error ? error.stack : String(error)}`)
    return 'crashed'
  }
}
