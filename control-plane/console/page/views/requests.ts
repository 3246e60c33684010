/**
 * Requests as they come in, and those before.
 */
import type { Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { count, dollars, span } from '../format.ts'
import { badge, empty, filter, link, table, time, type Choice } from '../parts/bits.ts'
import type { Query, Route } from '../route.ts'
import { outcomeWord, statusWord } from '../words.ts'

const PAGE = 50
const HOUR_MS = 3_600_000

export const requests: View = (context, route) => {
  // Asked for once: every call is recorded, and names change seldom.
  let named: Promise<Names> | null = null
  const names = (): Promise<Names> =>
    (named ??= namesOf(context).catch((error: unknown) => {
      named = null
      throw error
    }))
  return {
    // A page of the past does not change.
    refreshMs: route.query.has('before') ? null : 10_000,
    load: async (signal) => load(context, route, await names(), signal),
  }
}

type Names = Readonly<{ keys: ReadonlyMap<string, string>; providers: readonly string[] }>

async function namesOf({ api }: Context): Promise<Names> {
  const [{ keys }, { providers }] = await Promise.all([api.keys.list.query({}), api.providers.list.query({})])
  return {
    keys: new Map(keys.map(({ id, name }) => [String(id), name])),
    providers: providers.map(({ id }) => id),
  }
}

type Listed = Outputs['requests']['list']['requests'][number]

const SPANS: readonly Choice[] = [
  ['', 'any time'],
  ['1', 'the last hour'],
  ['24', 'the last day'],
  ['168', 'the last week'],
]

async function load(
  context: Context,
  { query }: Route,
  { keys, providers }: Names,
  signal: AbortSignal,
): Promise<Page> {
  const { api, now } = context
  const hours = Number(query.get('hours') ?? '')
  const { requests: found, next } = await api.requests.list.query(
    {
      limit: PAGE,
      before: query.get('before'),
      key: query.get('key'),
      tag: query.get('tag'),
      model: query.get('model'),
      provider: query.get('provider'),
      failed: query.get('failed') === '1' ? true : undefined,
      from: hours > 0 ? now() - hours * HOUR_MS : undefined,
    },
    { signal },
  )
  const isFiltered = [...query.keys()].some((name) => name !== 'before')
  return {
    heading: 'Requests',
    about: 'Newest first. Prompts and answers are kept nowhere.',
    body: [
      filters(context, query, [...keys], providers),
      found.length === 0
        ? empty(
            isFiltered || query.has('before')
              ? 'No request is like that.'
              : 'No requests yet. They are here a moment after they end.',
            isFiltered ? link('All requests', ['requests']) : null,
          )
        : listOf(found, keys, now()),
      pages(query, next),
    ],
  }
}

function filters(
  { go }: Context,
  query: Route['query'],
  keys: readonly Choice[],
  providers: readonly string[],
): HTMLElement {
  const set =
    (name: string) =>
    (value: string): void =>
      go(['requests'], { ...Object.fromEntries(query), before: undefined, [name]: value })
  return h(
    'div',
    { class: 'filters', role: 'search', 'aria-label': 'Requests to show' },
    filter('Key', query.get('key'), [['', 'all keys'], ...keys], set('key')),
    filter(
      'Provider',
      query.get('provider'),
      [['', 'all providers'], ...providers.map((id): Choice => [id, id])],
      set('provider'),
    ),
    filter('Model', query.get('model'), null, set('model')),
    filter('Tag', query.get('tag'), null, set('tag')),
    filter(
      'Outcome',
      query.get('failed'),
      [
        ['', 'all'],
        ['1', 'not answered'],
      ],
      set('failed'),
    ),
    filter('Time', query.get('hours'), SPANS, set('hours')),
  )
}

function pages(query: Route['query'], next: string | null): Child {
  const rest: Query = { ...Object.fromEntries(query), before: undefined }
  return h(
    'nav',
    { class: 'pages', 'aria-label': 'Pages of requests' },
    query.has('before') ? link('Newest', ['requests'], rest) : null,
    next === null ? null : link('Older', ['requests'], { ...rest, before: next }),
  )
}

const COLUMNS = [
  { title: 'When' },
  { title: 'Status' },
  { title: 'Model asked for' },
  { title: 'Answered by' },
  { title: 'Key' },
  { title: 'Took', isNumber: true },
  { title: 'Tokens in / out', isNumber: true },
  { title: 'Cost', isNumber: true },
] as const

const listOf = (found: readonly Listed[], keys: ReadonlyMap<string, string>, now: number): HTMLElement =>
  table(
    'Requests',
    COLUMNS,
    found.map((one) => ({
      key: one.id,
      cells: [
        h(
          'a',
          { href: link('', ['requests', one.id]).getAttribute('href'), 'aria-label': `Request ${one.id}` },
          time(one.at, now),
        ),
        [badge(statusWord(one.status)), one.stream ? h('small', {}, ' stream') : null],
        one.asked,
        answeredBy(one),
        link(keys.get(one.key) ?? one.key, ['keys', one.key]),
        span(one.totalMs),
        `${count(one.tokens.input)} / ${count(one.tokens.output)}`,
        dollars(one.cost),
      ],
    })),
  )

function answeredBy({ provider, upstream, attempts }: Listed): Child {
  const failed = attempts.filter(({ outcome }) => outcome !== 'success')
  const more =
    failed.length > 0
      ? h(
          'small',
          {},
          ` after ${failed.map((one) => `${one.provider} ${outcomeWord(one.outcome).text}`).join(', ')}`,
        )
      : null
  if (provider === '') return h('span', { class: 'muted' }, 'nobody', more)
  return [
    provider,
    upstream === '' ? null : h('small', {}, `/${upstream}`),
    attempts.length > 1 ? more : null,
  ]
}
