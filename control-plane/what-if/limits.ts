/**
 * What a prediction cannot know, in sentences for those who act on it.
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { ERRORS_FREE } from '#contracts/weights/health.ts'
import type { Prediction, TargetOutlook } from './what-if.ts'

/** Times as many requests as now. */
const MUCH_MORE = 1.5

/** Of every prediction. */
const ALWAYS = [
  'Every request is made again with its own dice, by what its node knew then: the factors of the prober and of the nodes are held as they were recorded. They would follow another load: what makes a deployment slow or refuse when it gets more is not in here, nor what relieves it when it gets less.',
  'Where a request goes where it went, its times and its end are the recorded ones; where it goes elsewhere, those of the attempt there that is nearest in time and answers in the same way (stream or not), whatever its size.',
  'The change counts as made at the beginning of the window: sessions that were under way stay where they were as the configuration allows, and new ones are placed anew.',
  'Costs are the tokens that were used then, at the prices in force now: another provider counts and answers with other tokens.',
  'Clients are taken to send the same requests. Those who would have repeated a failed one, or would not have, are not in here. Limits of keys, models and providers and budgets hold as they were met.',
] as const

export type Window = Readonly<{
  prediction: Prediction
  /** Requests that were read stand for so many each. */
  times: number
  /** All that the prober said from then on is known, in epoch milliseconds; null: in all of the window. */
  movesSince: number | null
  /** What was meant to be changed, as it would be now and after. */
  present: Catalog
  changed: Catalog
  /** Epoch milliseconds. */
  now: number
}>

export function limitsOf({
  prediction,
  times,
  movesSince,
  present,
  changed,
  now,
}: Window): readonly string[] {
  const { targets, outdated, total } = prediction
  return [
    ...unseen(targets),
    ...tooGood(targets),
    ...(outdated > 0
      ? [
          `${outdated} requests were served by an earlier configuration of their model: "recorded" is by that one, "present" by the one in force now.`,
        ]
      : []),
    ...(times > 1
      ? [
          `Of ${times} requests one was read, evenly; numbers of requests and costs are multiplied by that. Where a session began is then not seen: each counts as placed anew.`,
        ]
      : []),
    ...(movesSince === null
      ? []
      : [
          `The prober said more than can be read: what it said before ${new Date(movesSince).toISOString()} is not in here, and a deployment that a request of before then had no thought of counts as sound.`,
        ]),
    ...(total.changed.unpriced > 0
      ? [
          `${total.changed.unpriced} requests are not in the cost: no price is known, or nobody had answered them.`,
        ]
      : []),
    ...later(present, changed, now),
    ...ALWAYS,
  ]
}

function unseen(targets: readonly TargetOutlook[]): readonly string[] {
  const used = targets.filter(({ share }) => share.changed > 0)
  const named = (seen: TargetOutlook['seen']): string =>
    [...new Set(used.filter((one) => one.seen === seen).map(({ deployment }) => deployment))].join(', ')
  const [unknown, prober] = [named('unknown'), named('prober')]
  return [
    ...(unknown === ''
      ? []
      : [
          `Nobody was sent to ${unknown} in the window: how fast and how reliable that is, is not known here.`,
        ]),
    ...(prober === ''
      ? []
      : [
          `Nobody was sent to ${prober} in the window: its time is what the prober holds to be usual, its errors are not known.`,
        ]),
  ]
}

/** With more requests its failures are seen sooner and more surely, and take more of its weight. */
function tooGood(targets: readonly TargetOutlook[]): readonly string[] {
  return targets
    .filter(({ share, errors }) => (errors ?? 0) > ERRORS_FREE && share.changed > MUCH_MORE * share.present)
    .map(
      ({ deployment, model, errors }) =>
        `${deployment} failed in ${((errors ?? 0) * 100).toFixed(1)} % of its attempts, and beyond ${ERRORS_FREE * 100} % that costs it weight: with many more of ${model}'s requests it may be given less than is said here.`,
    )
}

/** Prices that begin later. */
function later(present: Catalog, changed: Catalog, now: number): readonly string[] {
  const names = [...changed.providers.values()]
    .filter(({ id, definition }) => definition !== present.providers.get(id)?.definition)
    .filter(({ definition: { prices = [] } }) => prices.some(({ from }) => from > now))
    .map(({ id }) => id)
  return names.length === 0 ? [] : [`Prices of ${names.join(', ')} that begin later are not counted.`]
}
