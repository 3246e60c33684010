/**
 * What if, and then really: a change is asked about over recorded traffic, then made, the same traffic is sent
 * again, and what came is compared with what was said.
 *
 *     node test/runs/what-if/what-if.ts --requests 8000 --nodes 2 --lanes 100 --seed 1
 *
 * `requests` is for each model and each time it is driven. Shares may be off by 3 points; times, errors and
 * cost are printed beside each other.
 */
import { Cluster } from '../../cluster/cluster.ts'
import { conclude, readOptions, say } from '../options.ts'
import { changesOf, drive, MODELS, prepare, recorded, sleep, type Answer } from './traffic.ts'

const options = readOptions({ requests: 8_000, nodes: 2, lanes: 100, seed: 1 })
/** Shares may be off by this. */
const MOST_OFF = 0.03
/** Until the prober and the nodes have the measure of everybody. */
const WARM_UP = 200
/** After a change is made or undone, until factors have followed. */
const SETTLE_MS = 3_000

await using cluster = await Cluster.start({ nodes: options.nodes })
await using _fleet = await prepare(cluster)
say(`${options.nodes} nodes are up`)
const driven = { ...options, models: MODELS }
await drive(cluster, { ...driven, requests: WARM_UP, seed: options.seed + 1 })
await sleep(SETTLE_MS)

const base = await drive(cluster, driven)
const before = await recorded(cluster, base)
say(`${before.requests.used} requests recorded in ${((base.to - base.from) / 1_000).toFixed(0)} s`)

const problems: string[] = []
let [compared, worst] = [0, 0]
/** What is said of all changes, before any is made. */
const said: Answer[] = []
const changes = changesOf()
for (const { changes: asked } of changes) {
  const begun = performance.now()
  said.push(await cluster.admin.config.whatIf.mutate({ ...base.window, changes: [...asked] }))
  say(`asked in ${(performance.now() - begun).toFixed(0)} ms`)
}
checkNothing(before)

for (const [at, change] of changes.entries()) {
  const predicted = said[at]
  if (predicted === undefined) continue
  await cluster.served(await change.make(cluster))
  await sleep(SETTLE_MS)
  const again = await drive(cluster, { ...driven, models: change.models, seed: options.seed + 10 + at })
  compare(change.name, predicted, await recorded(cluster, again), change.models)
  await cluster.served(await change.undo(cluster))
  await sleep(SETTLE_MS)
}
say(`${compared} shares compared, the worst off by ${(worst * 100).toFixed(1)} points`)
if (compared < changes.length * 2) problems.push('too little was compared')
conclude(problems)

/** Nothing changed: the same dice make the same choices. */
function checkNothing({ targets }: Answer): void {
  for (const { model, deployment, share } of targets)
    if (share.present !== share.recorded || share.changed !== share.recorded)
      problems.push(
        `without a change ${deployment} of ${model} has ${points(share.changed)}, not ${points(share.recorded)}`,
      )
}

function compare(name: string, predicted: Answer, real: Answer, models: readonly string[]): void {
  say(name)
  for (const model of models) {
    const names = new Set(
      [...predicted.targets, ...real.targets]
        .filter((one) => one.model === model)
        .map((one) => one.deployment),
    )
    for (const deployment of names) {
      const [was, share, came] = [
        shareOf(predicted, model, deployment).recorded,
        shareOf(predicted, model, deployment).changed,
        shareOf(real, model, deployment).recorded,
      ]
      const off = Math.abs(share - came)
      compared += 1
      worst = Math.max(worst, off)
      say(`  ${model} ${deployment}: was ${points(was)}, said ${points(share)}, came ${points(came)}`)
      if (off > MOST_OFF)
        problems.push(
          `${name}: ${deployment} of ${model} was said to have ${points(share)} and has ${points(came)}`,
        )
    }
    const [told, came] = [outlookOf(predicted, model)?.changed, outlookOf(real, model)?.recorded]
    say(`  ${model}: said ${figures(told)}; came ${figures(came)}`)
  }
}

function shareOf({ targets }: Answer, model: string, deployment: string) {
  const found = targets.find((one) => one.model === model && one.deployment === deployment)
  return found?.share ?? { recorded: 0, present: 0, changed: 0 }
}

function outlookOf({ models }: Answer, model: string) {
  return models.find((one) => one.model === model)
}

function figures(outlook: Answer['total']['changed'] | undefined): string {
  if (outlook === undefined) return 'nothing'
  const { firstMs, errors, costPer1000 } = outlook
  const times = firstMs === null ? '-' : `${firstMs.p50.toFixed(0)} and ${firstMs.p95.toFixed(0)} ms`
  return `${times}, ${points(errors ?? 0)} failed, $ ${(costPer1000 ?? 0).toFixed(4)} per 1000`
}

function points(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
