/**
 * All providers, and a new one.
 */
import type { Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h } from '../dom.ts'
import { badge, button, code, empty, link, table, tag } from '../parts/bits.ts'
import { addProvider } from '../parts/provider-form.ts'
import { stateWord } from '../words.ts'

export const providers: View = (context) => ({ refreshMs: 30_000, load: (signal) => load(context, signal) })

type Provider = Outputs['providers']['list']['providers'][number]

async function load(context: Context, signal: AbortSignal): Promise<Page> {
  const { providers: all, next } = await context.api.providers.list.query({}, { signal })
  return {
    heading: 'Providers',
    about: 'Companies and hosts that requests are sent to.',
    actions: button('Add a provider', () => addProvider(context), 'primary'),
    body: [
      all.length === 0
        ? empty(
            'There is no provider yet: every request is refused.',
            button('Add the first one', () => addProvider(context), 'primary'),
          )
        : listOf(all),
      next === null
        ? null
        : h('p', { class: 'hint' }, `Those after ${next} are not shown; the command line lists them all.`),
    ],
  }
}

const listOf = (all: readonly Provider[]): HTMLElement =>
  table(
    'Providers',
    [
      { title: 'Provider' },
      { title: 'State' },
      { title: 'Kind' },
      { title: 'Address' },
      { title: 'Credentials', isNumber: true },
      { title: 'Version', isNumber: true },
    ],
    all.map(({ id, version, state, origin, definition, credentials }) => ({
      key: id,
      cells: [
        [
          link(id, ['providers', id]),
          definition.name === id ? null : h('small', {}, ` ${definition.name}`),
          origin === 'declared' ? [' ', tag('declared')] : null,
        ],
        badge(stateWord(state)),
        definition.kind,
        code(definition.baseUrl),
        String(credentials.length),
        String(version),
      ],
    })),
  )
