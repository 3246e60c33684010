/**
 * Budgets: what keys and tags may spend, and what is spent.
 */
import type { Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { dollars, percent } from '../format.ts'
import { button, empty, link, table, tag, time } from '../parts/bits.ts'
import { offer } from '../parts/change.ts'
import { meter } from '../parts/draw.ts'
import type { Field, Values } from '../parts/form.ts'

export const budgets: View = (context) => ({ refreshMs: 15_000, load: (signal) => load(context, signal) })

type Budget = Outputs['budgets']['list']['budgets'][number]

async function load(context: Context, signal: AbortSignal): Promise<Page> {
  const { budgets: all } = await context.api.budgets.list.query({}, { signal })
  const add = (kind = ''): HTMLElement => button('Add a budget', () => void create(context), kind)
  return {
    heading: 'Budgets',
    about:
      'How much money a key, or all keys with a tag, may spend. Nodes spend on lease: what is leased is not spent yet, and some of it may come back.',
    actions: add('primary'),
    body:
      all.length === 0
        ? empty('There is no budget: nobody is held to an amount.')
        : standing(all, context.now(), context),
  }
}

const COLUMNS = [
  { title: 'Budget' },
  { title: 'Of' },
  { title: 'Spent' },
  { title: 'Amount', isNumber: true },
  { title: 'Leased', isNumber: true },
  { title: 'Left', isNumber: true },
  { title: 'Begins anew' },
] as const

/** @param context absent: they cannot be changed from here. */
export function standing(all: readonly Budget[], now: number, context?: Context): HTMLElement {
  const columns = context === undefined ? COLUMNS : [...COLUMNS, { title: '' }]
  return table(
    'Budgets',
    columns,
    all.map((one) => ({
      key: one.id,
      cells: [...cellsOf(one, now), context === undefined ? null : actionsOf(context, one)].slice(
        0,
        columns.length,
      ),
    })),
  )
}

function cellsOf({ id, subject, period, terms, now: report }: Budget, now: number): readonly Child[] {
  const of = 'key' in subject ? link(subject.key, ['keys', subject.key]) : tag(subject.tag)
  if (report === null) return [id, of, '', dollars(terms.amount), '', '', '']
  const share = report.spent / report.amount
  const tone = report.isSpent ? 'bad' : report.isWarning ? 'warn' : 'good'
  return [
    [
      h('strong', {}, id),
      report.isSpent ? [' ', tag('spent')] : report.isWarning ? [' ', tag('warning')] : null,
    ],
    of,
    [meter(share, `spent of ${id}`, tone), ' ', dollars(report.spent)],
    `${dollars(report.amount)} a ${period}`.replace(' a total', ' in total'),
    dollars(report.leased),
    dollars(report.remaining),
    report.end === null ? 'never' : time(report.end, now),
  ]
}

const CHOICES = {
  whenSpent: [
    ['429', '429, with the time until the next period'],
    ['402', '402'],
  ],
  onUnreachable: [
    ['refuse', 'refuse'],
    ['allow', 'let it through'],
  ],
  unpriced: [
    ['allow', 'they count nothing'],
    ['refuse', 'they may not be used'],
  ],
} as const

const termFields = (terms?: Budget['terms']): readonly Field[] => [
  {
    name: 'amount',
    label: 'US dollars a period',
    kind: 'number',
    required: true,
    value: terms === undefined ? '' : String(terms.amount),
  },
  {
    name: 'warnAt',
    label: 'Warn at this part of it',
    kind: 'number',
    required: true,
    value: String(terms?.warnAt ?? 0.8),
    hint: 'From 0 to 1.',
  },
  {
    name: 'whenSpent',
    label: 'Once it is spent answer',
    kind: 'choice',
    required: true,
    value: String(terms?.whenSpent ?? 429),
    choices: CHOICES.whenSpent,
  },
  {
    name: 'onUnreachable',
    label: 'A node without a lease that reaches no control plane',
    kind: 'choice',
    required: true,
    value: terms?.onUnreachable ?? 'refuse',
    choices: CHOICES.onUnreachable,
  },
  {
    name: 'unpriced',
    label: 'Models without a known price',
    kind: 'choice',
    required: true,
    value: terms?.unpriced ?? 'allow',
    choices: CHOICES.unpriced,
  },
]

const termsIn = (values: Values) => ({
  amount: values.number('amount') ?? Number.NaN,
  warnAt: values.number('warnAt') ?? Number.NaN,
  whenSpent: values.text('whenSpent') === '402' ? (402 as const) : (429 as const),
  onUnreachable: values.text('onUnreachable') === 'allow' ? ('allow' as const) : ('refuse' as const),
  unpriced: values.text('unpriced') === 'refuse' ? ('refuse' as const) : ('allow' as const),
})

async function create(context: Context): Promise<void> {
  const { api } = context
  const { keys } = await api.keys.list.query({})
  const choices = [
    ['', 'all keys with a tag:'] as const,
    ...keys.map(({ id, name }) => [id, `key ${name}`] as const),
  ]
  offer(context, {
    title: 'Add a budget',
    action: 'Add',
    fields: [
      { name: 'id', label: 'Id', kind: 'text', required: true, hint: 'Small letters, digits, - and _.' },
      { name: 'key', label: 'Whose', kind: 'choice', choices, required: true },
      {
        name: 'tag',
        label: 'Tag',
        kind: 'text',
        suggestions: [...new Set(keys.flatMap(({ tags }) => tags))],
      },
      {
        name: 'period',
        label: 'Period, of UTC',
        kind: 'choice',
        value: 'month',
        required: true,
        choices: [
          ['day', 'day'],
          ['week', 'week, from Monday'],
          ['month', 'month'],
          ['total', 'in total'],
        ],
      },
      ...termFields(),
    ],
    send: (values, how) =>
      api.budgets.create.mutate({
        id: values.text('id'),
        ...(values.text('key') === '' ? { tag: values.text('tag') } : { key: values.text('key') }),
        period: periodOf(values.text('period')),
        ...termsIn(values),
        ...how,
      }),
  })
}

const periodOf = (text: string): Budget['period'] =>
  text === 'day' || text === 'week' || text === 'total' ? text : 'month'

function actionsOf(context: Context, { id, version, terms }: Budget): HTMLElement {
  const { api } = context
  const existing = { id, expectedVersion: version }
  const change = (): void =>
    offer(context, {
      title: `Change ${id}`,
      about: `It warns at ${percent(terms.warnAt)}.`,
      action: 'Change',
      fields: termFields(terms),
      send: (values, how) => api.budgets.update.mutate({ ...existing, ...termsIn(values), ...how }),
    })
  const remove = (): void =>
    offer(context, {
      title: `Remove ${id}`,
      about: 'Nothing holds its key or tag to it any more.',
      action: 'Remove',
      isDangerous: true,
      confirm: id,
      send: (_, how) => api.budgets.remove.mutate({ ...existing, ...how }),
    })
  return h(
    'div',
    { class: 'buttons' },
    button('Change', change, 'small'),
    button('Remove', remove, 'small danger'),
  )
}
