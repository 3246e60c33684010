/**
 * One provider: how it is used, its credentials, what it serves and how that does.
 */
import type { Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { count, dollars, figure, span } from '../format.ts'
import { badge, button, card, code, empty, facts, link, since, table, tag } from '../parts/bits.ts'
import { offer } from '../parts/change.ts'
import { credentialsOf } from '../parts/credentials.ts'
import { meter } from '../parts/draw.ts'
import { changeProvider } from '../parts/provider-form.ts'
import { stateWord } from '../words.ts'

export const provider: View = (context, { path: [, id = ''] }) => ({
  refreshMs: 15_000,
  load: (signal) => load(context, id, signal),
})

type Provider = Outputs['providers']['get']['provider']
type Served = Outputs['providers']['models']
type Factor = Outputs['weights']['current']['factors'][number]

async function load(context: Context, id: string, signal: AbortSignal): Promise<Page> {
  const { api } = context
  const [{ provider: one }, served, { factors }] = await Promise.all([
    api.providers.get.query({ id }, { signal }),
    api.providers.models.query({ id }, { signal }),
    api.weights.current.query(undefined, { signal }),
  ])
  return {
    heading: id,
    about: [
      badge(stateWord(one.state)),
      ' ',
      one.definition.name,
      one.origin === 'declared' ? [' ', tag('declared')] : null,
    ],
    actions: actionsOf(context, one),
    body: [
      one.origin === 'declared'
        ? h(
            'p',
            { class: 'told calm' },
            'It comes from the environment or a file: what is changed of it here is set back at the next start.',
          )
        : null,
      card(
        'How it is used',
        settingsOf(one),
        button('Change', () => changeProvider(context, one)),
      ),
      card('Credentials', credentialsOf(context, one)),
      card(
        'Models',
        modelsOf(
          served,
          factors.filter((each) => each.provider === id),
          context.now(),
        ),
      ),
    ],
  }
}

function actionsOf(context: Context, { id, state, version }: Provider): Child {
  const { api } = context
  const existing = { id, expectedVersion: version }
  const test = h('button', { type: 'button' }, 'Test')
  test.onclick = ({ currentTarget }) => void tryOut(context, id, currentTarget)
  const enable = button('Enable', () =>
    offer(context, {
      title: `Enable ${id}`,
      about: 'It takes requests again.',
      action: 'Enable',
      send: (_, how) => api.providers.enable.mutate({ ...existing, ...how }),
    }),
  )
  const drain = button('Drain', () =>
    offer(context, {
      title: `Drain ${id}`,
      about: 'It finishes what it has, and gets nothing new.',
      action: 'Drain',
      send: (_, how) => api.providers.drain.mutate({ ...existing, ...how }),
    }),
  )
  const disable = button('Disable', () =>
    offer(context, {
      title: `Disable ${id}`,
      about: 'Nothing is sent to it any more, whoever asks.',
      action: 'Disable',
      isDangerous: true,
      send: (_, how) => api.providers.disable.mutate({ ...existing, ...how }),
    }),
  )
  const remove = button(
    'Remove',
    () =>
      offer(context, {
        title: `Remove ${id}`,
        about: 'With its credentials. It is refused while a model names it.',
        action: 'Remove',
        isDangerous: true,
        confirm: id,
        send: (_, how) => api.providers.remove.mutate({ ...existing, ...how }),
        leadTo: () => context.go(['providers']),
      }),
    'danger',
  )
  return [
    test,
    state === 'enabled' ? drain : enable,
    state === 'disabled' ? null : disable,
    link('Requests', ['requests'], { provider: id }),
    link('History', ['timeline'], { stream: `provider-${id}` }),
    remove,
  ]
}

async function tryOut({ api, tell }: Context, id: string, pressed: EventTarget | null): Promise<void> {
  const busy = (isBusy: boolean): void => {
    if (pressed instanceof HTMLButtonElement) pressed.disabled = isBusy
  }
  busy(true)
  const told = tell({ text: `Asking ${id} for its models …`, tone: 'calm' })
  try {
    const { ok, ms, problem, models } = await api.providers.test.mutate({ id })
    if (ok)
      told.update({ text: `${id} answered in ${span(ms)}: ${count(models ?? 0)} models.`, tone: 'good' })
    else told.update({ text: `${id}: ${problem ?? 'no answer'} (${span(ms)})`, tone: 'bad' })
  } catch (error) {
    told.update({ text: error instanceof Error ? error.message : String(error), tone: 'bad' })
  } finally {
    busy(false)
  }
}

function settingsOf({ definition, version, createdAt, changedAt }: Provider): HTMLElement {
  const { kind, baseUrl, dialects, allowPrivate, routing, timeouts, probe } = definition
  const cost =
    routing.costInput === undefined && routing.costOutput === undefined
      ? null
      : `${dollars(routing.costInput ?? 0)} in, ${dollars(routing.costOutput ?? 0)} out, a million tokens`
  return facts([
    ['Kind', kind],
    ['Base URL', code(baseUrl)],
    ['Speaks', dialects === undefined || dialects.length === 0 ? null : dialects.join(', ')],
    ['Private address', allowPrivate ? 'allowed' : 'refused'],
    ['Weight', figure(routing.weight)],
    ['Region', routing.region],
    ['Requests a second', routing.maxQps === undefined ? null : `at most ${figure(routing.maxQps)}`],
    [
      'Under way at once',
      routing.maxConcurrency === undefined ? null : `at most ${figure(routing.maxConcurrency)}`,
    ],
    ['Price', cost],
    ['Moves on at', routing.retryableStatusCodes?.join(', ')],
    [
      'Deadlines',
      `connect ${span(timeouts.connectMs)}, answer ${span(timeouts.answerMs)}, first token ${span(timeouts.firstTokenMs)}, silence ${span(timeouts.idleMs)}`,
    ],
    [
      'Probed',
      probe.enabled
        ? `after ${span(probe.intervalMs)} without traffic${probe.model === undefined ? '' : `, by ${probe.model}`}`
        : 'never',
    ],
    ['Version', `${version}, made by commit ${createdAt}, changed by ${changedAt}`],
  ])
}

/** Of a long list the first ones: the search is the browser's. */
const MOST_SHOWN = 300

function modelsOf({ source, at, problem, models }: Served, factors: readonly Factor[], now: number): Child {
  const judged = new Map(factors.map((factor) => [factor.model, factor]))
  const others = factors.filter(({ model }) => !models.some((listed) => listed.id === model))
  const all = [...others.map(({ model }) => ({ id: model })), ...models]
  const said =
    source === 'named'
      ? 'As its operator named them.'
      : at === null
        ? 'It has not said yet what it serves.'
        : ['As it said ', since(at, now), '.']
  const rows = all.slice(0, MOST_SHOWN).map((listed) => {
    const factor = judged.get(listed.id)
    const context = 'contextWindow' in listed ? listed.contextWindow : undefined
    return {
      key: listed.id,
      cells: [
        code(listed.id),
        context === undefined ? '' : count(context),
        factor === undefined
          ? h('small', {}, 'nothing said')
          : meter(factor.factor, `health of ${listed.id}`, toneOf(factor.factor)),
        factor?.reason ?? '',
      ],
    }
  })
  const columns = [
    { title: 'Model' },
    { title: 'Context', isNumber: true },
    { title: 'Prober’s factor' },
    { title: 'Because' },
  ]
  return [
    h('p', { class: 'hint' }, said, problem === null ? null : ` ${problem}`),
    rows.length === 0 ? empty('No models are known.') : table('Models', columns, rows),
    all.length > MOST_SHOWN
      ? h('p', { class: 'hint' }, `${count(all.length - MOST_SHOWN)} more are not shown.`)
      : null,
  ]
}

export const toneOf = (factor: number): 'good' | 'warn' | 'bad' =>
  factor >= 0.9 ? 'good' : factor >= 0.3 ? 'warn' : 'bad'
