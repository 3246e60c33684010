/**
 * Who would serve a name, with everything that decides; and, of a logical model, changing that.
 */
import { ApiFailure, type Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { count, dollars, figure } from '../format.ts'
import { badge, button, card, code, empty, facts, link, table, tag } from '../parts/bits.ts'
import { offer } from '../parts/change.ts'
import { meter } from '../parts/draw.ts'
import { limitFields, limitsIn, limitWords } from '../parts/limits.ts'
import { TargetRows } from '../parts/targets.ts'
import { kindWords, stateWord, STRATEGY_CHOICES } from '../words.ts'
import { offeredBy, strategyOf } from './models.ts'
import { toneOf } from './provider.ts'

export const model: View = (context, { path: [, name = ''] }) => ({
  refreshMs: 15_000,
  load: (signal) => load(context, name, signal),
})

type Model = Outputs['models']['get']['model']
type Resolution = Outputs['models']['resolve']

async function load(context: Context, name: string, signal: AbortSignal): Promise<Page> {
  const { api } = context
  const resolution = await api.models.resolve.query({ name }, { signal })
  const own = resolution.model === null ? null : await modelOf(context, resolution.model, signal)
  return {
    heading: name,
    about: [
      kindWords(resolution.kind),
      own !== null && own.name !== name ? [': ', link(own.name, ['models', own.name])] : null,
      own?.origin === 'declared' ? [' ', tag('declared')] : null,
    ],
    actions: own === null ? link('Requests', ['requests'], { model: name }) : actionsOf(context, own),
    body: [
      card('Who serves it', candidatesOf(resolution), othersOf(resolution)),
      own === null ? null : card('How it is set', settingsOf(context, own)),
    ],
  }
}

async function modelOf({ api }: Context, name: string, signal: AbortSignal): Promise<Model | null> {
  try {
    return (await api.models.get.query({ name }, { signal })).model
  } catch (error) {
    if (error instanceof ApiFailure && error.known.code === 'NOT_FOUND') return null
    throw error
  }
}

function actionsOf(context: Context, own: Model): Child {
  const { api, go } = context
  const retire = (): void =>
    offer(context, {
      title: `Retire ${own.name}`,
      about: 'Its names answer nobody any more.',
      action: 'Retire',
      isDangerous: true,
      confirm: own.name,
      send: (_, how) => api.models.retire.mutate({ name: own.name, expectedVersion: own.version, ...how }),
      leadTo: () => go(['models']),
    })
  return [
    button('Targets and weights', () => void editTargets(context, own), 'primary'),
    link('Requests', ['requests'], { model: own.name }),
    link('History', ['timeline'], { stream: `model-${own.name}` }),
    button('Retire', retire, 'danger'),
  ]
}

const CANDIDATES = [
  { title: 'Target' },
  { title: 'State' },
  { title: 'Tier', isNumber: true },
  { title: 'Weight', isNumber: true },
  { title: 'Prober’s factor' },
  { title: 'Share of its tier' },
  { title: 'Price in / out', isNumber: true },
] as const

function candidatesOf({ candidates, kind }: Resolution): Child {
  if (candidates.length === 0)
    return empty(
      kind === 'unknown'
        ? 'Nobody is known to serve this name: a request for it gets 404 model_not_found.'
        : 'It has no targets.',
    )
  return [
    table(
      'Candidates',
      CANDIDATES,
      candidates.map((one) => ({
        key: `${one.provider}/${one.model}`,
        cells: [
          [
            link(one.provider, ['providers', one.provider]),
            '/',
            code(one.model),
            one.region === null ? null : h('small', {}, ` ${one.region}`),
          ],
          [badge(stateWord(one.state)), one.out === null ? null : h('small', {}, ` ${one.out}`)],
          String(one.tier),
          figure(one.weight),
          [
            meter(one.factor, `health of ${one.provider}/${one.model}`, toneOf(one.factor)),
            one.reason === null ? null : h('small', {}, ` ${one.reason}`),
          ],
          one.share === null
            ? h('small', {}, 'as nodes measure')
            : meter(one.share, `share of ${one.provider}/${one.model}`),
          one.cost === null ? '' : `${dollars(one.cost.input)} / ${dollars(one.cost.output)}`,
        ],
      })),
    ),
    h(
      'p',
      { class: 'hint' },
      'Weight times factor, within a tier, makes the share. Prices are dollars a million tokens. What a node knows by itself, an open breaker for instance, is in the explanation of each request.',
    ),
  ]
}

function othersOf({ others }: Resolution): Child {
  if (others.length === 0) return null
  return h(
    'details',
    {},
    h('summary', {}, `${count(others.length)} others do not`),
    h(
      'ul',
      {},
      others.map(({ provider, why }) => h('li', {}, link(provider, ['providers', provider]), ` ${why}`)),
    ),
  )
}

function settingsOf(context: Context, own: Model): Child {
  const { strategy = 'balanced', region, limits, aliases, version, createdAt, changedAt } = own
  const small = (text: string, act: (context: Context, own: Model) => void): Child => [
    ' ',
    button(text, () => act(context, own), 'small'),
  ]
  const named = aliases.map((alias) => [
    code(alias),
    small('Take away', () => removeAlias(context, own, alias)),
    ' ',
  ])
  return facts([
    ['Strategy', [strategy, small('Change', setStrategy)]],
    ['Preferred region', [region ?? 'none', small('Change', setRegion)]],
    ['Limits', [limitWords(limits ?? {}), small('Change', setLimits)]],
    ['Also called', [named, small('Add', addAlias)]],
    ['Version', `${version}, made by commit ${createdAt}, changed by ${changedAt}`],
  ])
}

const existing = ({ name, version }: Model) => ({ name, expectedVersion: version })

function setStrategy(context: Context, own: Model): void {
  offer(context, {
    title: `Strategy of ${own.name}`,
    action: 'Set',
    fields: [
      {
        name: 'strategy',
        label: 'What decides within a tier',
        kind: 'choice',
        value: own.strategy ?? 'balanced',
        choices: STRATEGY_CHOICES,
        required: true,
      },
    ],
    send: (values, how) =>
      context.api.models.setStrategy.mutate({
        ...existing(own),
        strategy: strategyOf(values.text('strategy')),
        ...how,
      }),
  })
}

function setRegion(context: Context, own: Model): void {
  const value = own.region ?? ''
  offer(context, {
    title: `Region of ${own.name}`,
    action: 'Set',
    fields: [
      { name: 'region', label: 'Preferred region', kind: 'text', value, hint: 'Within a tier. Empty: none.' },
    ],
    send: (values, how) =>
      context.api.models.setRegion.mutate({
        ...existing(own),
        region: values.maybe('region') ?? null,
        ...how,
      }),
  })
}

function setLimits(context: Context, own: Model): void {
  offer(context, {
    title: `Limits of ${own.name}`,
    about: 'Of all clients together; what is empty is not limited.',
    action: 'Set',
    fields: limitFields(own.limits ?? {}),
    send: (values, how) =>
      context.api.models.setLimits.mutate({ ...existing(own), limits: limitsIn(values), ...how }),
  })
}

function addAlias(context: Context, own: Model): void {
  offer(context, {
    title: `Another name for ${own.name}`,
    action: 'Add',
    fields: [{ name: 'alias', label: 'Alias', kind: 'text', required: true }],
    send: (values, how) =>
      context.api.models.addAlias.mutate({ ...existing(own), alias: values.text('alias'), ...how }),
  })
}

function removeAlias(context: Context, own: Model, alias: string): void {
  offer(context, {
    title: `Take the name ${alias} from ${own.name}`,
    action: 'Take away',
    isDangerous: true,
    send: (_, how) => context.api.models.removeAlias.mutate({ ...existing(own), alias, ...how }),
  })
}

async function editTargets(context: Context, own: Model): Promise<void> {
  const rows = new TargetRows(await offeredBy(context), own.targets)
  offer(context, {
    title: `Targets of ${own.name}`,
    action: 'Set',
    editor: rows.element,
    send: (_, how) =>
      context.api.models.setTargets.mutate({
        name: own.name,
        expectedVersion: own.version,
        targets: rows.read(),
        ...how,
      }),
  })
}
