/**
 * Logical models, and a new one.
 */
import type { Context, Page, View } from '../context.ts'
import { h } from '../dom.ts'
import { figure } from '../format.ts'
import { button, code, empty, link, table, tag } from '../parts/bits.ts'
import { offer } from '../parts/change.ts'
import { TargetRows, type Offered } from '../parts/targets.ts'
import { STRATEGY_CHOICES } from '../words.ts'

export const models: View = (context) => ({ refreshMs: 30_000, load: (signal) => load(context, signal) })

async function load(context: Context, signal: AbortSignal): Promise<Page> {
  const { models: all, next } = await context.api.models.list.query({}, { signal })
  return {
    heading: 'Models',
    about:
      'Logical models: names that clients use, and the providers behind them. Models that providers list can be asked for without one.',
    actions: button('Make a model', () => void make(context), 'primary'),
    body: [
      asking(context),
      all.length === 0
        ? empty(
            'There is no logical model. Clients can name what providers list, or provider/model.',
            button('Make the first one', () => void make(context), 'primary'),
          )
        : table(
            'Logical models',
            [
              { title: 'Model' },
              { title: 'Strategy' },
              { title: 'Targets, by tier' },
              { title: 'Also called' },
              { title: 'Version', isNumber: true },
            ],
            all.map(({ name, version, origin, strategy = 'balanced', targets, aliases }) => ({
              key: name,
              cells: [
                [link(name, ['models', name]), origin === 'declared' ? [' ', tag('declared')] : null],
                strategy,
                h(
                  'ul',
                  { class: 'plain' },
                  targets
                    .toSorted((a, b) => a.tier - b.tier)
                    .map((one) =>
                      h(
                        'li',
                        {},
                        code(`${one.provider}/${one.model}`),
                        h('small', {}, ` tier ${one.tier}, weight ${figure(one.weight)}`),
                      ),
                    ),
                ),
                aliases.join(', '),
                String(version),
              ],
            })),
          ),
      next === null
        ? null
        : h('p', { class: 'hint' }, `Those after ${next} are not shown; the command line lists them all.`),
    ],
  }
}

/** Any name that a client could send. */
function asking({ go }: Context): HTMLElement {
  const field = h('input', {
    id: 'asked-name',
    name: 'name',
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
  })
  const onsubmit = (event: SubmitEvent): void => {
    event.preventDefault()
    if (!(event.currentTarget instanceof HTMLFormElement)) return
    const name = new FormData(event.currentTarget).get('name')
    if (typeof name === 'string' && name.trim() !== '') go(['models', name.trim()])
  }
  return h(
    'form',
    { class: 'filters', on: { onsubmit } },
    h('div', { class: 'field' }, h('label', { for: 'asked-name' }, 'Who would serve this name?'), field),
    h('button', { type: 'submit' }, 'Look'),
  )
}

/** What targets can be made of: each provider is asked for its models when it is chosen. */
export async function offeredBy({ api }: Context): Promise<readonly Offered[]> {
  const { providers } = await api.providers.list.query({})
  const asked = new Map<string, Promise<readonly string[]>>()
  const modelsOf = async (id: string): Promise<readonly string[]> =>
    (await api.providers.models.query({ id })).models.map((model) => model.id)
  return providers.map(({ id }) => ({
    id,
    models: () => {
      const answer = asked.get(id) ?? modelsOf(id)
      asked.set(id, answer)
      return answer
    },
  }))
}

async function make(context: Context): Promise<void> {
  const { api, go } = context
  const rows = new TargetRows(await offeredBy(context), [])
  offer(context, {
    title: 'Make a logical model',
    action: 'Make',
    fields: [
      { name: 'name', label: 'Name', kind: 'text', required: true, hint: 'As clients will write it.' },
      {
        name: 'strategy',
        label: 'Strategy',
        kind: 'choice',
        value: 'balanced',
        choices: STRATEGY_CHOICES,
        required: true,
      },
      { name: 'aliases', label: 'Also called', kind: 'text', hint: 'By commas.' },
    ],
    editor: rows.element,
    send: (values, how) =>
      api.models.create.mutate({
        name: values.text('name'),
        targets: rows.read(),
        aliases: values.list('aliases'),
        strategy: strategyOf(values.text('strategy')),
        ...how,
      }),
    leadTo: ({ ids }) => go(['models', ids['model'] ?? '']),
  })
}

export function strategyOf(text: string): 'balanced' | 'latency' | 'cost' | 'weights' {
  return text === 'latency' || text === 'cost' || text === 'weights' ? text : 'balanced'
}
