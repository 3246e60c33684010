/**
 * `npm run run:answers -- --answers 20000 --seed 1`: answers over HTTP/1.1 as servers spell them and spoiled, read by
 * our own client and by undici's. What both take for an answer must be the same one.
 */
import { diceOf } from '#contracts/routing/dice.ts'
import { conclude, readOptions, say } from '../options.ts'
import { Duel, judge } from './duel.ts'
import { spelled, spoiled, type Spelled } from './spelled.ts'

const { answers, seed } = readOptions({ answers: 20_000, seed: 1 })
/** Enough to see what is wrong. */
const MOST_PROBLEMS = 20
const SPOILED_SHARE = 0.7

const random = diceOf(seed)
const counts = { both: 0, neither: 0, 'we alone': 0, 'undici alone': 0 }
const problems: string[] = []
await using duel = await Duel.start()
for (let time = 1; time <= answers && problems.length < MOST_PROBLEMS; time++) {
  const answer = random() < SPOILED_SHARE ? spoiled(random) : spelled(random)
  const read = await duel.read(answer)
  counts[whoTook(read.ours !== null, read.undicis !== null)] += 1
  const problem = judge(answer, read)
  if (problem !== null) problems.push(`the ${time}th ${problem}: ${textOf(answer)}`)
  if (time % 2_000 === 0) say(`${time} answers, ${problems.length} problems`)
}
for (const [who, count] of Object.entries(counts)) say(`taken for an answer by ${who}: ${count}`)
conclude(problems)

function whoTook(ours: boolean, undicis: boolean): keyof typeof counts {
  if (ours) return undicis ? 'both' : 'we alone'
  return undicis ? 'undici alone' : 'neither'
}

function textOf({ pieces }: Spelled): string {
  return JSON.stringify(Buffer.concat(pieces).toString('latin1', 0, 600))
}
