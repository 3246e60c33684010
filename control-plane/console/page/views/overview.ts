/**
 * What there is to know at a glance, and how to begin.
 */
import type { Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { count, daysUntil, dollars, percent } from '../format.ts'
import { badge, card, copyable, empty, facts, link, since } from '../parts/bits.ts'
import { dayBars } from '../parts/draw.ts'
import { firstRequest, modelToTry } from '../parts/first-request.ts'
import { byDay, usageByModel, type Sums } from '../parts/usage.ts'
import { nodeState } from '../words.ts'

const DAYS = 14
const RECENT = 6
const TOP = 5

export const overview: View = (context) => ({ refreshMs: 30_000, load: (signal) => load(context, signal) })

async function load({ api, now }: Context, signal: AbortSignal): Promise<Page> {
  const days = daysUntil(now(), DAYS)
  const [from = '', today = ''] = [days[0], days.at(-1)]
  const [status, fleet, changes, usage, top, models, providers] = await Promise.all([
    api.system.status.query(undefined, { signal }),
    api.fleet.list.query(undefined, { signal }),
    api.audit.list.query({ limit: RECENT }, { signal }),
    api.usage.summary.query({ by: 'day', from, to: today, limit: DAYS }, { signal }),
    api.usage.summary.query({ by: 'model', from: today, to: today, limit: TOP }, { signal }),
    api.models.list.query({ limit: 1 }, { signal }),
    api.providers.list.query({}, { signal }),
  ])
  const sums = byDay(days, usage.rows)
  const model = modelToTry(models.models, providers.providers)
  const isNew = sums.every(({ requests }) => requests === 0)
  const begin = beginning({ gateway: status.gateway, model, hasProvider: providers.providers.length > 0 })
  return {
    heading: 'Overview',
    body: [
      isNew ? begin : null,
      figures(days, sums),
      h(
        'div',
        { class: 'columns' },
        h('div', { class: 'page' }, card('Fleet', fleetOf(fleet, status, now())), isNew ? null : begin),
        card('Recent changes', changesOf(changes, now()), h('p', {}, link('All changes', ['timeline']))),
      ),
      card('Models today', modelsOf(top)),
    ],
  }
}

type Figure = Readonly<{ title: string; of: (day: Sums) => number; text: (value: number) => string }>

const tokens = ({ input, output }: Sums): number => input + output

const FIGURES: readonly Figure[] = [
  { title: 'Requests', of: ({ requests }) => requests, text: count },
  { title: 'Not answered', of: ({ failed }) => failed, text: count },
  { title: 'Tokens', of: tokens, text: count },
  { title: 'Cost', of: ({ cost }) => cost, text: dollars },
]

/** The books add up by days of UTC, so that is what a day is here. */
function figures(days: readonly string[], sums: readonly Sums[]): Child {
  const [today, yesterday] = [sums.at(-1), sums.at(-2)]
  if (today === undefined || yesterday === undefined) return null
  const [failed, unpriced] = [sums.map((day) => day.failed), today.unpriced]
  return h(
    'section',
    { class: 'figures', 'aria-label': `Usage, today and the ${DAYS} days up to it` },
    FIGURES.map(({ title, of, text }, at) =>
      h(
        'div',
        { class: 'card figure' },
        h('h2', {}, title),
        h('p', { class: 'big' }, text(of(today)), h('small', {}, ' today')),
        dayBars({
          name: title,
          days,
          values: sums.map(of),
          text,
          ...(at === 0 ? { bad: failed } : at === 1 ? { bad: failed } : {}),
        }),
        h(
          'p',
          { class: 'hint' },
          `${text(of(yesterday))} yesterday`,
          at === 1 && today.requests > 0 ? ` · ${percent(today.failed / today.requests)} today` : null,
          at === 3 && unpriced > 0 ? ` · ${count(unpriced)} without a known price` : null,
        ),
      ),
    ),
  )
}

type Fleet = Outputs['fleet']['list']
type Status = Outputs['system']['status']

function fleetOf({ nodes, head }: Fleet, { relay, frozen, floor }: Status, now: number): Child {
  const states = Map.groupBy(nodes, ({ state }) => state)
  const farthest = Math.max(0, ...nodes.map(({ lag }) => lag))
  const seen = Math.max(...nodes.map(({ lastSeen }) => lastSeen))
  return [
    nodes.length === 0
      ? empty('No node has reported yet. Nodes find the control plane by APIPROXY_CONTROL_URL.')
      : h(
          'p',
          { class: 'states' },
          [...states].map(([state, there]) => [badge(nodeState(state)), ` ${there.length} `]),
        ),
    facts([
      ['Head of the log', link(`commit ${head.commit}`, ['timeline'])],
      ['Farthest behind', nodes.length === 0 ? null : farthest === 0 ? 'nobody' : `${farthest} commits`],
      ['Heard of', nodes.length === 0 ? null : since(seen, now)],
      ['To the nodes', 'reason' in relay ? `${relay.kind}: ${relay.reason}` : relay.kind],
      ['Floor', floor === 0 ? null : `fold version ${floor}`],
      ['Frozen', frozen.length === 0 ? null : frozen.map(({ stream }) => stream).join(', ')],
    ]),
    h('p', {}, link('All nodes', ['nodes'])),
  ]
}

const changesOf = ({ commits }: Outputs['audit']['list'], now: number): Child =>
  h(
    'ol',
    { class: 'changes' },
    commits.map(({ commitNo, at, actor, words }) =>
      h(
        'li',
        { 'data-key': String(commitNo) },
        h(
          'p',
          { class: 'by' },
          link(`#${commitNo}`, ['timeline'], { before: String(commitNo + 1) }),
          ' ',
          since(at, now),
          ` · ${actor.kind}:${actor.id}`,
        ),
        h(
          'p',
          { class: 'clamped' },
          words[0] ?? '',
          words.length > 1 ? ` (and ${words.length - 1} more)` : null,
        ),
      ),
    ),
  )

function modelsOf({ rows }: Outputs['usage']['summary']): Child {
  if (rows.length === 0) return empty('No requests today (UTC).')
  return usageByModel('Models with the most cost today', rows, {})
}

type Beginning = Readonly<{ gateway: string | null; model: string | null; hasProvider: boolean }>

function beginning({ gateway, model, hasProvider }: Beginning): HTMLElement {
  const steps = [
    hasProvider ? null : h('p', {}, 'First ', link('add a provider', ['providers']), ': nobody answers yet.'),
    h(
      'p',
      {},
      'Put a client key into APIPROXY_KEY, ',
      link('a new one', ['keys']),
      ' for instance, and send:',
    ),
  ]
  const where =
    gateway === null
      ? h(
          'p',
          { class: 'hint' },
          'The control plane was not told where clients reach the gateway: APIPROXY_GATEWAY_URL.',
        )
      : null
  return card(
    'A first request',
    steps,
    copyable(firstRequest({ gateway, model, key: null }), 'request'),
    where,
  )
}
