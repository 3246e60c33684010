/**
 * What changed between two states, and what preceded a shift, in words.
 */
import type { Outputs } from '../api.ts'
import { h, type Child } from '../dom.ts'
import { dollars, percent, span } from '../format.ts'
import { card, empty, link, tag, time } from './bits.ts'

type Diff = Outputs['audit']['diff']
type Entity = Diff['entities'][number]
type Blame = Outputs['audit']['blame']

export function compared({ from, to, entities }: Diff): HTMLElement {
  return card(
    `From commit ${from} to ${to}`,
    entities.length === 0 ? empty('Nothing is different.') : diffWords(entities),
  )
}

const MARKS = { added: '+', removed: '−', changed: '~' } as const

export const diffWords = (entities: readonly Entity[]): HTMLElement =>
  h(
    'ul',
    { class: 'diff' },
    entities.map(({ stream, entity, change, words }) =>
      h(
        'li',
        { class: change, 'data-key': stream },
        h(
          'p',
          {},
          h('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[change]),
          h('strong', {}, entity),
          ` ${change}`,
        ),
        h(
          'ul',
          { class: 'plain' },
          words.map((text) => h('li', {}, text)),
        ),
      ),
    ),
  )

const valueOf = (metric: Blame['metric'], mean: number): string =>
  metric === 'errors' ? percent(mean) : metric === 'latency' ? span(mean) : dollars(mean)

/** It names what preceded, not what caused. */
export function blameOf({ metric, requests, shift, causes, limits }: Blame, now: number): HTMLElement {
  const title = `What preceded a shift of ${metric}`
  if (shift === null)
    return card(
      title,
      empty(`In ${requests} of the last hour, nothing shifted that could be told from chance.`),
      ...limits.map((sentence) => h('p', {}, sentence)),
    )
  const { at, before, after } = shift
  return card(
    title,
    h(
      'p',
      {},
      `${metric} went from ${valueOf(metric, before.mean)} to ${valueOf(metric, after.mean)} at `,
      time(at, now),
      `, in ${before.requests + after.requests} samples.`,
    ),
    causes.length === 0
      ? empty('Nothing was changed in the quarter of an hour before.')
      : h(
          'ol',
          { class: 'changes' },
          causes.map((cause) => causeOf(cause, now)),
        ),
    ...limits.map((sentence) => h('p', {}, sentence)),
  )
}

function causeOf({ kind, at, commitNo, actor, reason, words }: Blame['causes'][number], now: number): Child {
  return h(
    'li',
    {},
    h(
      'p',
      { class: 'by' },
      time(at, now),
      ' ',
      tag(kind === 'commit' ? actor : 'prober'),
      ' ',
      commitNo === null ? null : link(`#${commitNo}`, ['timeline'], { before: String(commitNo + 1) }),
      reason === null ? null : ` “${reason}”`,
    ),
    words.map((text) => h('p', {}, text)),
  )
}
