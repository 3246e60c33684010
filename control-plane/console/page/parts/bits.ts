/**
 * Small parts that pages are made of.
 */
import { h, valueIn, type Child } from '../dom.ts'
import { ago, moment, utc } from '../format.ts'
import { hashOf, type Query } from '../route.ts'
import type { Word } from '../words.ts'

export const link = (text: Child, path: readonly string[], query?: Query): HTMLElement =>
  h('a', { href: hashOf(path, query) }, text)

export const badge = ({ text, tone, about }: Word): HTMLElement =>
  h('span', { class: `badge ${tone}`, title: about }, text)

export const tag = (text: string): HTMLElement => h('span', { class: 'tag' }, text)

/** In the reader's own time; UTC on pointing at it. */
export const time = (at: number, now: number): HTMLElement =>
  h('time', { datetime: new Date(at).toISOString(), title: utc(at) }, moment(at, now))

export const since = (at: number, now: number): HTMLElement =>
  h('time', { datetime: new Date(at).toISOString(), title: utc(at) }, ago(at, now))

export const code = (text: string): HTMLElement => h('code', {}, text)

export const button = (text: Child, onclick: () => void, kind = ''): HTMLElement =>
  h('button', { type: 'button', class: kind, on: { onclick } }, text)

export const card = (title: string, ...children: readonly Child[]): HTMLElement =>
  h('section', { class: 'card', 'aria-label': title }, h('h2', {}, title), children)

export const empty = (text: Child, ...more: readonly Child[]): HTMLElement =>
  h('div', { class: 'empty' }, h('p', {}, text), more)

/** Names and values; a value that is not there has no row. */
export function facts(pairs: readonly (readonly [name: string, value: Child])[]): HTMLElement {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '')
  return h(
    'dl',
    { class: 'facts' },
    known.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  )
}

export type Column = Readonly<{ title: string; isNumber?: boolean }>
export type Row = Readonly<{ key: string; cells: readonly Child[] }>

/** On narrow screens each row is a card, and each cell says of itself what it is. */
export function table(caption: string, columns: readonly Column[], rows: readonly Row[]): HTMLElement {
  const kind = ({ isNumber }: Column): string => (isNumber === true ? 'number' : '')
  return h(
    'div',
    { class: 'table', role: 'region', 'aria-label': caption, tabindex: 0 },
    h(
      'table',
      {},
      h('caption', {}, caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          columns.map((column) => h('th', { scope: 'col', class: kind(column) }, column.title)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map(({ key, cells }) =>
          h(
            'tr',
            { 'data-key': key },
            cells.map((cell, at) => {
              const column = columns[at] ?? { title: '' }
              return h('td', { class: kind(column), 'data-title': column.title }, h('div', {}, cell))
            }),
          ),
        ),
      ),
    ),
  )
}

/** A line to take along. Where the browser gives no clipboard the line is selected instead. */
export function copyable(text: string, name: string): HTMLElement {
  const copy = (event: Event): void => {
    const { currentTarget: pressed } = event
    if (!(pressed instanceof HTMLButtonElement)) return
    const line = pressed.previousElementSibling
    const copied = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'))
    copied.then(
      () => (pressed.textContent = 'Copied'),
      () => {
        if (line !== null) getSelection()?.selectAllChildren(line)
        pressed.textContent = 'Selected'
      },
    )
  }
  return h(
    'div',
    { class: 'copyable' },
    h('pre', { tabindex: 0, 'aria-label': name }, text),
    h(
      'button',
      { type: 'button', class: 'small', 'aria-label': `Copy ${name}`, on: { onclick: copy } },
      'Copy',
    ),
  )
}

export type Choice = readonly [value: string, text: string]

/** A filter above a list; chosen, it is in the address. */
export function filter(
  label: string,
  value: string | undefined,
  choices: readonly Choice[] | null,
  onChange: (value: string) => void,
): HTMLElement {
  const id = `filter-${label.toLowerCase().replaceAll(/\W+/g, '-')}`
  if (choices === null) {
    const field = h('input', {
      id,
      type: 'text',
      value: value ?? '',
      autocomplete: 'off',
      spellcheck: 'false',
    })
    field.onchange = (event) => onChange(valueIn(event))
    return h('div', { class: 'field' }, h('label', { for: id }, label), field)
  }
  const known = choices.some(([one]) => one === (value ?? ''))
  const all = known ? choices : [...choices, [value ?? '', value ?? ''] as const]
  const select = h(
    'select',
    { id },
    all.map(([one, text]) => h('option', { value: one, selected: one === (value ?? '') }, text)),
  )
  select.onchange = (event) => onChange(valueIn(event))
  return h('div', { class: 'field' }, h('label', { for: id }, label), select)
}
