/**
 * Client keys, and a new one. Its text is shown once.
 */
import type { Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { count, dollars } from '../format.ts'
import { badge, button, code, copyable, empty, link, table, tag, time } from '../parts/bits.ts'
import { offer } from '../parts/change.ts'
import { firstRequest, modelToTry } from '../parts/first-request.ts'
import type { Field, Values } from '../parts/form.ts'
import { limitFields, limitsIn, limitWords } from '../parts/limits.ts'
import { stateWord } from '../words.ts'

export const keys: View = (context) => ({ refreshMs: 30_000, load: (signal) => load(context, signal) })

type Key = Outputs['keys']['list']['keys'][number]
type Sums = Outputs['usage']['summary']['rows'][number]

async function load(context: Context, signal: AbortSignal): Promise<Page> {
  const { api } = context
  const [{ keys: all, next }, usage] = await Promise.all([
    api.keys.list.query({}, { signal }),
    api.usage.summary.query({ by: 'key', limit: 1_000 }, { signal }),
  ])
  const used = new Map(usage.rows.map((row) => [row.name, row]))
  return {
    heading: 'Client keys',
    about: 'Who may call the gateway.',
    actions: button('Issue a key', () => void issue(context), 'primary'),
    body: [
      all.length === 0
        ? empty(
            'There is no client key: nobody is let in.',
            button('Issue the first one', () => void issue(context), 'primary'),
          )
        : listOf(all, used, context.now()),
      next === null
        ? null
        : h('p', { class: 'hint' }, `Those after ${next} are not shown; the command line lists them all.`),
    ],
  }
}

const COLUMNS = [
  { title: 'Key' },
  { title: 'State' },
  { title: 'Owner and tags' },
  { title: 'Limits' },
  { title: 'Expires' },
  { title: 'Requests, 30 days', isNumber: true },
  { title: 'Cost, 30 days', isNumber: true },
] as const

const listOf = (all: readonly Key[], used: ReadonlyMap<string, Sums>, now: number): HTMLElement =>
  table(
    'Client keys',
    COLUMNS,
    all.map((key) => ({
      key: key.id,
      cells: [
        [
          link(key.name, ['keys', key.id]),
          ' ',
          code(`${key.prefix}…`),
          key.origin === 'declared' ? [' ', tag('declared')] : null,
        ],
        badge(stateWord(key.state)),
        [key.owner ?? '', ' ', key.tags.map(tag)],
        limitWords(key.limits),
        expiryOf(key.expiresAt, now),
        count(used.get(key.id)?.requests ?? 0),
        dollars(used.get(key.id)?.cost ?? 0),
      ],
    })),
  )

export const expiryOf = (at: number | null, now: number): Child =>
  at === null ? 'never' : [time(at, now), at <= now ? [' ', tag('expired')] : null]

const ENDPOINTS = ['chat', 'responses', 'messages', 'generate', 'embeddings', 'count_tokens'] as const

type Scopes = Key['scopes']

export const scopeFields = (scopes: Scopes): readonly Field[] => [
  {
    name: 'scopes.models',
    label: 'Models',
    kind: 'lines',
    value: (scopes.models ?? []).join('\n'),
    hint: 'One a line; * stands for any characters. Empty: all.',
  },
  {
    name: 'scopes.providers',
    label: 'Providers',
    kind: 'text',
    value: (scopes.providers ?? []).join(', '),
    hint: 'By commas. Empty: all.',
  },
  {
    name: 'scopes.endpoints',
    label: 'Endpoints',
    kind: 'text',
    value: (scopes.endpoints ?? []).join(', '),
    hint: `Of ${ENDPOINTS.join(', ')}. Empty: all.`,
  },
]

/** There is no empty list, which could be read either way. */
export function scopesIn(values: Values): Scopes {
  const [models, providers] = [values.list('scopes.models'), values.list('scopes.providers')]
  const asked = values.list('scopes.endpoints')
  const endpoints = asked.flatMap((name) => ENDPOINTS.filter((one) => one === name))
  if (endpoints.length < asked.length) throw new Error(`Endpoints are ${ENDPOINTS.join(', ')}.`)
  return {
    ...(models.length === 0 ? {} : { models }),
    ...(providers.length === 0 ? {} : { providers }),
    ...(endpoints.length === 0 ? {} : { endpoints }),
  }
}

export const ownerFields = (owner: string | null, tags: readonly string[]): readonly Field[] => [
  { name: 'owner', label: 'Owner', kind: 'text', value: owner ?? '', hint: 'A person or a team.' },
  {
    name: 'tags',
    label: 'Tags',
    kind: 'text',
    value: tags.join(', '),
    hint: 'By commas; usage and budgets go by them.',
  },
]

async function issue(context: Context): Promise<void> {
  const { api } = context
  const [{ gateway }, { models }, { providers }] = await Promise.all([
    api.system.status.query(),
    api.models.list.query({ limit: 1 }),
    api.providers.list.query({}),
  ])
  const model = modelToTry(models, providers)
  offer(context, {
    title: 'Issue a client key',
    action: 'Issue',
    fields: [
      { name: 'name', label: 'Name', kind: 'text', required: true, hint: 'Whose, and what for.' },
      ...ownerFields(null, []),
      { name: 'expiresAt', label: 'Expires', kind: 'moment', hint: 'In your time. Empty: never.' },
      ...limitFields({}),
      ...scopeFields({}),
    ],
    send: async (values, how) =>
      api.keys.issue.mutate({
        name: values.text('name'),
        owner: values.maybe('owner') ?? null,
        tags: values.list('tags'),
        expiresAt: values.at('expiresAt'),
        limits: limitsIn(values),
        scopes: scopesIn(values),
        ...how,
      }),
    after: ({ key, note }) => shownOnce(key, note, (text) => firstRequest({ gateway, model, key: text })),
  })
}

/** The text of a key; it cannot be read again. */
export function shownOnce(
  key: string | null,
  note: string,
  request: ((key: string) => string) | null,
): Child {
  if (key === null) return h('p', { class: 'told warn' }, note)
  return [
    h('p', { class: 'told warn' }, 'This is the only time that the key is shown. Copy it now.'),
    copyable(key, 'key'),
    request === null ? null : [h('p', {}, 'A request with it:'), copyable(request(key), 'request')],
  ]
}
