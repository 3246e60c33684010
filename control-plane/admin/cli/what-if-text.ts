/**
 * The answer of `config what-if` for people: shares, times, errors and cost, before and after, and what that
 * does not know.
 *
 * Pure.
 */
import { columns } from './output.ts'

/** As much of the answer as is shown. */
export type WhatIfShown = Readonly<{
  commitNo: number
  from: number
  to: number
  entities: readonly Readonly<{ entity: string; change: string; words: readonly string[] }>[]
  requests: Readonly<{
    recorded: number
    times: number
    used: number
    unused: readonly Readonly<{ why: string; requests: number }>[]
  }>
  total: ModelShown
  models: readonly ModelShown[]
  targets: readonly TargetShown[]
  limits: readonly string[]
}>

type Three<Value> = Readonly<{ recorded: Value; present: Value; changed: Value }>
type OutlookShown = Readonly<{
  firstMs: Readonly<{ p50: number; p95: number }> | null
  errors: number | null
  refused: number
  unknown: number
  costPer1000: number | null
  cost: number | null
}>
type ModelShown = Three<OutlookShown> & Readonly<{ model: string; requests: number }>
type TargetShown = Readonly<{
  model: string
  deployment: string
  share: Three<number>
  margin: number
  seen: string
  attempts: number
  errors: number | null
  firstMs: Readonly<{ p50: number; p95: number | null }> | null
}>

export function whatIfText(answer: WhatIfShown): string {
  const { entities, requests, targets, models, total, limits, commitNo, from, to } = answer
  const changes = entities.map(({ entity, change, words }) => `${entity} ${change}: ${words.join('; ')}`)
  const unused = requests.unused.map((one) => `${one.requests} unused: ${one.why}`)
  const all = models.length > 1 ? [...models, { ...total, model: '(all)' }] : models
  return [
    changes.length === 0 ? ['nothing would change'] : changes,
    [
      `${requests.used} of ${requests.recorded} requests from ${time(from)} to ${time(to)}, on commit ${commitNo}`,
      ...unused,
    ],
    columns(SHARES, targets.map(shareRow)),
    columns(OUTLOOKS, all.flatMap(outlookRows)),
    limits.map((sentence) => `- ${sentence}`),
  ]
    .filter((part) => part.length > 0)
    .map((part) => `${part.map(harmless).join('\n')}\n`)
    .join('\n')
}

const SHARES = ['model', 'deployment', 'recorded', 'present', 'changed', '±', 'seen', 'failed', 'p50', 'p95']

const shareRow = ({ model, deployment, share, margin, seen, attempts, errors, firstMs }: TargetShown) => [
  model,
  deployment,
  percent(share.recorded),
  percent(share.present),
  percent(share.changed),
  percent(margin),
  seen === 'traffic' ? `${attempts} attempts` : seen,
  errors === null ? '-' : percent(errors),
  ms(firstMs?.p50),
  ms(firstMs?.p95),
]

const OUTLOOKS = ['model', 'requests', 'by', 'p50', 'p95', 'failed', 'unknown', '$ per 1000', '$']

const outlookRows = ({ model, requests, ...by }: ModelShown) =>
  (['recorded', 'present', 'changed'] as const).map((name, at) => {
    const { firstMs, errors, unknown, costPer1000, cost } = by[name]
    return [
      at === 0 ? model : '',
      at === 0 ? String(requests) : '',
      name,
      ms(firstMs?.p50),
      ms(firstMs?.p95),
      errors === null ? '-' : percent(errors),
      unknown === 0 ? '-' : percent(unknown),
      dollars(costPer1000),
      dollars(cost),
    ]
  })

const percent = (part: number): string => `${(part * 100).toFixed(1)} %`
const ms = (value: number | null | undefined): string =>
  value === null || value === undefined ? '-' : `${value.toFixed(0)} ms`
const dollars = (value: number | null): string => (value === null ? '-' : value.toFixed(4))
const time = (at: number): string => new Date(at).toISOString()
/** What others chose must not be able to steer the terminal. */
const harmless = (line: string): string => line.replaceAll(/\p{Cc}/gu, '�')
