/**
 * What the prober makes of every deployment: the factors the nodes apply now, and why each is what it is.
 *
 * Read from the table on the bus; with no prober heard of lately the factors fade, as they do on the nodes.
 */
import { z } from 'zod'
import type { WeightDetail } from '#contracts/weights/table.ts'
import { ERRORS_FREE, keptShare, SLOW_FREE } from '#contracts/weights/health.ts'
import { ModelNameText } from '#contracts/catalog/model.ts'
import { ProviderIdText } from '#contracts/catalog/provider.ts'
import { procedure, router } from '../trpc.ts'

export const weights = router({
  current: procedure
    .meta({ description: 'Every deployment’s factor as it counts now, the worst first.' })
    .query(({ ctx }) => {
      const said = ctx.weights.current()
      return {
        /** Null: no table has been heard of. */
        table: said === null ? null : { epoch: said.epoch, seq: said.seq, ageMs: said.ageMs, say: said.say },
        factors: said?.factors ?? [],
      }
    }),

  why: procedure
    .meta({ description: 'One deployment’s factor with everything it was judged by, step by step.' })
    .input(z.strictObject({ provider: ProviderIdText, model: ModelNameText }))
    .query(({ ctx, input: { provider, model } }) => {
      const said = ctx.weights.current()
      const entry = said?.factors.find((one) => one.provider === provider && one.model === model)
      if (said === null || entry === undefined)
        return {
          provider,
          model,
          factor: 1,
          steps: ['The prober has said nothing about it: it keeps its weight.'],
        }
      return {
        provider,
        model,
        factor: entry.factor,
        published: entry.published,
        reason: entry.reason,
        detail: entry.detail,
        steps: stepsOf(entry, said.say),
      }
    }),
})

type Said = Readonly<{
  published: number
  factor: number
  reason: string
  detail: WeightDetail | null
}>

/** Pure. From what was seen to what counts, in words. */
function stepsOf({ published, factor, reason, detail }: Said, say: number): readonly string[] {
  const faded = say < 1 ? [`The table is old and still says ${percent(say)}: ${percent(factor)} counts.`] : []
  if (detail === null) return [`The prober says ${percent(published)}: ${reason}.`, ...faded]
  const errors = Math.max(0, detail.errors - detail.errorsOfBest)
  const slowness = detail.slowness / detail.slownessOfAll
  const raw = keptShare(errors, slowness, detail.floor)
  return [
    `${detail.rate.toFixed(1)} attempts a second over the fleet.`,
    `Errors ${percent(detail.errors)}, ${percent(errors)} beyond the best peer; up to ${percent(ERRORS_FREE)} cost nothing.`,
    `${slowness.toFixed(2)} times its usual time beside its peers; up to ${SLOW_FREE} times costs nothing.`,
    `By that it would keep ${percent(raw)}, and never less than ${percent(detail.floor)}.`,
    `It is ${detail.state} for ${Math.round(detail.stateMs / 1_000)} s, which leaves ${percent(published)}: falling is at once, growing a quarter a second.`,
    ...(detail.cap === undefined
      ? []
      : [`It accepts ${detail.cap.toFixed(1)} attempts a second and refuses more.`]),
    ...faded,
  ]
}

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`
