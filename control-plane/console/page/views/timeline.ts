/**
 * The log as people read it: who changed what, when and why; undoing it; and what preceded a shift.
 */
import type { Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { button, empty, filter, link, tag, time, type Choice } from '../parts/bits.ts'
import { offer } from '../parts/change.ts'
import { blameOf, compared, diffWords } from '../parts/past.ts'
import type { Query, Route } from '../route.ts'
import { eventWords } from '../words.ts'

const PAGE = 30

export const timeline: View = (context, route) => ({
  refreshMs: isOfNow(route) ? 15_000 : null,
  load: (signal) => load(context, route, signal),
})

const isOfNow = ({ query }: Route): boolean => !['before', 'from', 'blame'].some((name) => query.has(name))

type Entry = Outputs['audit']['list']['commits'][number]

async function load(context: Context, route: Route, signal: AbortSignal): Promise<Page> {
  const { api, now } = context
  const { query } = route
  const [from, to] = [Number(query.get('from') ?? 'NaN'), Number(query.get('to') ?? 'NaN')]
  const before = Number(query.get('before') ?? 'NaN')
  const [{ commits, next }, diff, shift] = await Promise.all([
    api.audit.list.query(
      {
        limit: PAGE,
        before: Number.isInteger(before) ? before : undefined,
        actor: query.get('actor'),
        stream: query.get('stream'),
        since: timeOf(query.get('since')),
      },
      { signal },
    ),
    Number.isInteger(from) && Number.isInteger(to)
      ? api.audit.diff.query({ from, to, stream: query.get('stream') }, { signal })
      : null,
    query.has('blame')
      ? api.audit.blame.query(
          { metric: metricOf(query.get('blame')), provider: query.get('provider') },
          { signal },
        )
      : null,
  ])
  return {
    heading: 'Timeline',
    about: 'Every change is a commit, and every commit can be undone by another one.',
    body: [
      filters(context, query),
      h('div', { class: 'columns tools' }, comparing(context, query), blaming(context, query)),
      diff === null ? null : compared(diff),
      shift === null ? null : blameOf(shift, now()),
      commits.length === 0
        ? empty('No commit is like that.', link('The whole timeline', ['timeline']))
        : h(
            'ol',
            { class: 'timeline' },
            commits.map((entry) => entryOf(context, entry)),
          ),
      pages(query, next),
    ],
  }
}

/** A day as its field has it, from its first moment here. */
function timeOf(day: string | undefined): string | undefined {
  const at = day === undefined ? Number.NaN : Date.parse(`${day}T00:00`)
  return Number.isNaN(at) ? undefined : new Date(at).toISOString()
}

const metricOf = (text: string | undefined): 'errors' | 'latency' | 'cost' =>
  text === 'latency' || text === 'cost' ? text : 'errors'

function filters({ go }: Context, query: Route['query']): HTMLElement {
  const set =
    (name: string) =>
    (value: string): void =>
      go(['timeline'], { ...Object.fromEntries(query), before: undefined, [name]: value })
  const since = filter('Since', query.get('since'), null, set('since'))
  since.querySelector('input')?.setAttribute('type', 'date')
  return h(
    'div',
    { class: 'filters', role: 'search', 'aria-label': 'Commits to show' },
    filter('By whom', query.get('actor'), ACTORS, set('actor')),
    filter('Of what', query.get('stream'), null, set('stream')),
    since,
    h('p', { class: 'hint' }, 'What: provider-openai, model-fast, clientkey-…, budget-… or system.'),
  )
}

const ACTORS: readonly Choice[] = [
  ['', 'anybody'],
  ['token', 'admins'],
  ['env', 'environment and file'],
  ['system', 'the system'],
]

function comparing({ go }: Context, query: Route['query']): HTMLElement {
  const from = number('compare-from', 'From commit', query.get('from'))
  const to = number('compare-to', 'To commit', query.get('to'))
  return asking('Compare two commits', [from, to], 'Compare', (values) =>
    go(['timeline'], {
      ...Object.fromEntries(query),
      blame: undefined,
      from: values.get('compare-from'),
      to: values.get('compare-to'),
    }),
  )
}

function blaming({ go }: Context, query: Route['query']): HTMLElement {
  const metric = h(
    'select',
    { name: 'metric', id: 'blame-metric' },
    ['errors', 'latency', 'cost'].map((one) =>
      h('option', { value: one, selected: one === query.get('blame') }, one),
    ),
  )
  const provider = h('input', {
    name: 'provider',
    id: 'blame-provider',
    type: 'text',
    value: query.get('provider') ?? '',
  })
  const fields = [
    h('div', { class: 'field' }, h('label', { for: 'blame-metric' }, 'What shifted'), metric),
    h('div', { class: 'field' }, h('label', { for: 'blame-provider' }, 'At which provider'), provider),
  ]
  return asking('What preceded a shift of the last hour', fields, 'Look', (values) =>
    go(['timeline'], { blame: values.get('metric'), provider: values.get('provider') }),
  )
}

function number(name: string, label: string, value: string | undefined): HTMLElement {
  return h(
    'div',
    { class: 'field' },
    h('label', { for: name }, label),
    h('input', { id: name, name, type: 'number', min: 0, step: 1, value: value ?? '' }),
  )
}

function asking(
  title: string,
  fields: readonly HTMLElement[],
  action: string,
  leadTo: (values: ReadonlyMap<string, string>) => void,
): HTMLElement {
  const onsubmit = (event: SubmitEvent): void => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const values = [...new FormData(event.currentTarget)].flatMap(([name, value]): [string, string][] =>
      typeof value === 'string' ? [[name, value.trim()]] : [],
    )
    leadTo(new Map(values))
  }
  return h(
    'details',
    {},
    h('summary', {}, title),
    h('form', { class: 'filters', on: { onsubmit } }, fields, h('button', { type: 'submit' }, action)),
  )
}

/** Of a commit that changed the system alone nothing can be undone. */
const isUndoable = ({ events }: Entry): boolean => events.some(({ stream }) => stream !== 'system')

function entryOf(context: Context, entry: Entry): HTMLElement {
  const { commitNo, at, actor, reason, words, events } = entry
  return h(
    'li',
    { 'data-key': String(commitNo), id: `commit-${commitNo}` },
    h(
      'div',
      { class: 'by' },
      h('strong', {}, `#${commitNo}`),
      time(at, context.now()),
      tag(`${actor.kind}:${actor.id}`),
      reason === null ? null : h('span', { class: 'reason' }, `“${reason}”`),
    ),
    h(
      'ul',
      { class: 'plain' },
      words.map((text, index) => h('li', { title: eventWords(events[index]?.type ?? '') }, text)),
    ),
    h(
      'div',
      { class: 'buttons' },
      link('What it changed', ['timeline'], {
        from: String(commitNo - 1),
        to: String(commitNo),
        before: String(commitNo + 1),
      }),
      isUndoable(entry) ? button('Revert', () => revert(context, commitNo), 'small') : null,
    ),
  )
}

function revert(context: Context, commitNo: number): void {
  offer(context, {
    title: `Revert commit ${commitNo}`,
    about:
      'What it changed becomes what it was before, by a new commit. Try it out first: it shows what would change.',
    action: 'Revert',
    isDangerous: true,
    fields: [
      {
        name: 'through',
        label: 'Through commit',
        kind: 'number',
        hint: 'Undoes all commits from this one to that one. Empty: only this one.',
      },
    ],
    send: (values, how) =>
      context.api.audit.revert.mutate({ commit: commitNo, through: values.number('through'), ...how }),
    previewOf: ({ changes }) => diffWords(changes),
    leadTo: () => context.go(['timeline']),
  })
}

function pages(query: Route['query'], next: number | null): Child {
  const rest: Query = { ...Object.fromEntries(query), before: undefined }
  return h(
    'nav',
    { class: 'pages', 'aria-label': 'Pages of commits' },
    query.has('before') ? link('Newest', ['timeline'], rest) : null,
    next === null ? null : link('Older', ['timeline'], { ...rest, before: String(next) }),
  )
}
