/**
 * `npm run run:requests -- --requests 20000 --seed 1`: connections of clients as they spell their requests and
 * spoiled, to our own listener and to Node's alone. Behind both the same must be seen, and the clients be told the
 * same.
 */
import { diceOf } from '#contracts/routing/dice.ts'
import { conclude, readOptions, say } from '../options.ts'
import { Duel, judge, type Seen } from './duel.ts'
import { spelled, spoiled, type Asked } from './spelled.ts'

const { requests: connections, seed } = readOptions({ requests: 20_000, seed: 1 })
/** Enough to see what is wrong. */
const MOST_PROBLEMS = 20
const SPOILED_SHARE = 0.5

const random = diceOf(seed)
const counts = { 'wholly by us': 0, 'partly by us': 0, 'by Node alone': 0, 'by nobody': 0 }
const exchanges = { ours: 0, nodes: 0 }
const problems: string[] = []
await using duel = await Duel.start()
for (let time = 1; time <= connections; time++) {
  const asked = random() < SPOILED_SHARE ? spoiled(random) : spelled(random)
  const seen = await duel.see(asked)
  counts[whoTook(seen.ours)] += 1
  for (const way of seen.ours.ways) exchanges[way] += 1
  const problem = judge(seen)
  if (problem !== null) problems.push(`the ${time}th: ${problem}: ${textOf(asked)}`)
  if (time % 2_000 === 0) say(`${time} connections, ${problems.length} problems`)
}
for (const [who, count] of Object.entries(counts))
  say(`connections whose requests were read ${who}: ${count}`)
say(`requests read by us: ${exchanges.ours}, by Node behind us: ${exchanges.nodes}`)
say(`${problems.length} problems`)
conclude(problems.slice(0, MOST_PROBLEMS))

function whoTook({ ways, error }: Seen): keyof typeof counts {
  if (ways.length === 0) return 'by nobody'
  if (!ways.includes('ours')) return 'by Node alone'
  return ways.includes('nodes') || error !== '' ? 'partly by us' : 'wholly by us'
}

/** Long runs of the same are told by their length. */
function textOf({ pieces, ending }: Asked): string {
  const texts = pieces.map(({ bytes, before }) => {
    const text = bytes.toString('latin1').replaceAll(/(body |l|(?:x\d:\r\n)){8,}/g, (run) => {
      const [of = ''] = /^(body |l|x\d:\r\n)/.exec(run) ?? []
      return `<${of} × ${run.length / of.length}>`
    })
    return `${before} ${JSON.stringify(text)}`
  })
  return `${texts.join(', ')}, ${ending}`
}
