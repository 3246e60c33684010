/**
 * Fields that say what they are, and the problems that the API found in them.
 *
 * A field is named by its path in the API's input, so that a problem finds its field.
 */
import type { Issue } from '../api.ts'
import { h, type Child } from '../dom.ts'
import { localField } from '../format.ts'

export type Field = Readonly<{
  name: string
  label: string
  kind: 'text' | 'secret' | 'number' | 'choice' | 'check' | 'lines' | 'moment'
  /** Of a check `on`; of a moment epoch milliseconds. */
  value?: string
  choices?: readonly (readonly [value: string, text: string])[]
  hint?: Child
  required?: boolean
  /** What is likely wanted. */
  suggestions?: readonly string[]
  onChange?: (value: string, fields: Fields) => void
}>

/** What was filled in. Left empty is undefined. */
export type Values = Readonly<{
  text: (name: string) => string
  maybe: (name: string) => string | undefined
  number: (name: string) => number | undefined
  /** One a line, or by commas. */
  list: (name: string) => string[]
  isOn: (name: string) => boolean
  /** Epoch milliseconds. */
  at: (name: string) => number | null
}>

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

export class Fields {
  readonly element: HTMLElement
  readonly #controls = new Map<string, Control>()
  readonly #problems = new Map<string, HTMLElement>()

  constructor(fields: readonly Field[]) {
    this.element = h(
      'div',
      { class: 'fields' },
      fields.map((field) => this.#made(field)),
    )
  }

  values(): Values {
    const text = (name: string): string => this.#controls.get(name)?.value.trim() ?? ''
    const maybe = (name: string): string | undefined => text(name) || undefined
    return {
      text,
      maybe,
      number: (name) => (text(name) === '' ? undefined : Number(text(name))),
      list: (name) =>
        text(name)
          .split(/[\n,]+/)
          .map((part) => part.trim())
          .filter(Boolean),
      isOn: (name) => {
        const control = this.#controls.get(name)
        return control instanceof HTMLInputElement && control.checked
      },
      at: (name) => (text(name) === '' ? null : Date.parse(text(name))),
    }
  }

  set(name: string, value: string): void {
    const control = this.#controls.get(name)
    if (control !== undefined) control.value = value
  }

  /** Shows each problem at its field. @returns those that belong to no field. */
  show(issues: readonly Issue[]): readonly Issue[] {
    for (const [name, place] of this.#problems) {
      const own = issues.filter(({ path }) => isAt(path, name))
      place.textContent = own.map(({ message }) => message).join('; ')
      this.#controls.get(name)?.setAttribute('aria-invalid', String(own.length > 0))
    }
    const first = [...this.#problems.keys()].find((name) => issues.some(({ path }) => isAt(path, name)))
    if (first !== undefined) this.#controls.get(first)?.focus()
    return issues.filter(({ path }) => ![...this.#problems.keys()].some((name) => isAt(path, name)))
  }

  #made(field: Field): HTMLElement {
    const { name, label, kind, hint } = field
    const id = `field-${name.replaceAll(/\W+/g, '-')}`
    const control = controlOf(field, id)
    const problem = h('p', { class: 'problem', id: `${id}-problem`, role: 'alert' })
    const about = h('p', { class: 'hint', id: `${id}-hint` }, hint)
    control.setAttribute('aria-describedby', `${id}-hint ${id}-problem`)
    control.onchange = () => field.onChange?.(control.value, this)
    this.#controls.set(name, control)
    this.#problems.set(name, problem)
    const named = h('label', { for: id }, label, field.required === true ? null : h('small', {}, ' optional'))
    if (kind === 'check')
      return h('div', { class: 'field check' }, control, h('label', { for: id }, label), about, problem)
    return h('div', { class: 'field' }, named, control, listOf(field, id), about, problem)
  }
}

/** `targets[0].weight` is a problem of `targets`, too. */
const isAt = (path: string, name: string): boolean =>
  path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`)

function controlOf(field: Field, id: string): Control {
  const { kind, value = '', required = false, choices = [] } = field
  const plain = { id, name: field.name, required, autocomplete: 'off', spellcheck: 'false' }
  switch (kind) {
    case 'choice':
      return h(
        'select',
        { id, name: field.name },
        choices.map(([one, text]) => h('option', { value: one, selected: one === value }, text)),
      )
    case 'lines':
      return h('textarea', { ...plain, rows: 3 }, value)
    case 'check':
      return h('input', { id, name: field.name, type: 'checkbox', checked: value === 'on' })
    case 'number':
      return h('input', { ...plain, type: 'number', step: 'any', min: 0, inputmode: 'decimal', value })
    case 'moment': {
      const shown = value === '' ? '' : localField(Number(value))
      return h('input', { ...plain, type: 'datetime-local', value: shown })
    }
    case 'secret':
      // Not a password of the reader's: nothing that the browser should keep or offer.
      return h('input', { ...plain, type: 'password', autocomplete: 'new-password', value })
    default: {
      const list = field.suggestions === undefined ? null : `${id}-list`
      return h('input', { ...plain, type: 'text', value, list })
    }
  }
}

function listOf({ suggestions }: Field, id: string): Child {
  if (suggestions === undefined) return null
  return h(
    'datalist',
    { id: `${id}-list` },
    suggestions.map((value) => h('option', { value })),
  )
}
