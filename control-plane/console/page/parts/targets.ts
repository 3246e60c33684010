/**
 * The targets of a logical model, row by row: where, as what, at which weight and in which tier.
 */
import { h } from '../dom.ts'

export type Target = Readonly<{
  provider: string
  model: string
  weight: number
  tier: number
  timeouts?:
    | Readonly<{
        answerMs?: number | undefined
        firstTokenMs?: number | undefined
        idleMs?: number | undefined
      }>
    | undefined
}>

export type Offered = Readonly<{ id: string; models: () => Promise<readonly string[]> }>

export class TargetRows {
  readonly element: HTMLElement
  readonly #rows = h('div', { class: 'rows' })
  readonly #offered: readonly Offered[]
  readonly #kept = new Map<HTMLElement, () => Target>()
  #made = 0

  constructor(offered: readonly Offered[], targets: readonly Target[]) {
    this.#offered = offered
    const add = h('button', { type: 'button' }, 'Add a target')
    add.onclick = () => this.#add(null).querySelector('select')?.focus()
    this.element = h(
      'fieldset',
      { class: 'targets' },
      h('legend', {}, 'Targets'),
      h(
        'p',
        { class: 'hint' },
        'Tier 0 is asked first; the next one only when it cannot serve. Within a tier the weights share the requests; weight 0 drains.',
      ),
      this.#rows,
      add,
    )
    for (const target of targets) this.#add(target)
    if (targets.length === 0) this.#add(null)
  }

  read(): Target[] {
    return [...this.#rows.children].flatMap((row) => {
      const read = row instanceof HTMLElement ? this.#kept.get(row) : undefined
      return read === undefined ? [] : [read()]
    })
  }

  #add(target: Target | null): HTMLElement {
    this.#made += 1
    const controls = this.#controls(`target-${this.#made}`, target)
    const { provider, model, weight, tier, list } = controls
    const remove = h(
      'button',
      { type: 'button', class: 'small quiet', 'aria-label': 'Remove this target' },
      '×',
    )
    const row = h(
      'div',
      { class: 'row' },
      labelled('Provider', provider),
      labelled('Model there', model, list),
      labelled('Weight', weight),
      labelled('Tier', tier),
      remove,
    )
    const suggest = (): void => void this.#suggest(provider.value, list)
    provider.onchange = suggest
    suggest()
    remove.onclick = () => {
      this.#kept.delete(row)
      row.remove()
    }
    this.#kept.set(row, () => ({
      provider: provider.value,
      model: model.value.trim(),
      weight: Number(weight.value),
      tier: Number(tier.value),
      // Deadlines of its own are set by the command line, and stay what they are here.
      ...(target?.timeouts === undefined ? {} : { timeouts: target.timeouts }),
    }))
    this.#rows.append(row)
    return row
  }

  #controls(id: string, target: Target | null) {
    const known = this.#offered.map((one) => one.id)
    const chosen = target?.provider ?? known[0] ?? ''
    // One that is gone is still shown as what it was.
    const names = known.includes(chosen) || chosen === '' ? known : [...known, chosen]
    const plain = { autocomplete: 'off', spellcheck: 'false' }
    // Named, because a form that is another wish has other values.
    const numeric = { type: 'number', min: 0 }
    return {
      list: h('datalist', { id: `${id}-models` }),
      provider: h(
        'select',
        { id: `${id}-provider`, name: `${id}-provider` },
        names.map((name) => h('option', { value: name, selected: name === chosen }, name)),
      ),
      model: h('input', {
        id: `${id}-model`,
        name: `${id}-model`,
        type: 'text',
        list: `${id}-models`,
        value: target?.model ?? '',
        ...plain,
      }),
      weight: h('input', {
        id: `${id}-weight`,
        name: `${id}-weight`,
        ...numeric,
        step: 'any',
        value: target?.weight ?? 1,
      }),
      tier: h('input', {
        id: `${id}-tier`,
        name: `${id}-tier`,
        ...numeric,
        max: 99,
        step: 1,
        value: target?.tier ?? 0,
      }),
    }
  }

  async #suggest(provider: string, list: HTMLElement): Promise<void> {
    const models = await this.#offered
      .find(({ id }) => id === provider)
      ?.models()
      .catch(() => [])
    list.replaceChildren(...(models ?? []).map((value) => h('option', { value })))
  }
}

function labelled(text: string, control: HTMLElement, ...more: readonly Node[]): HTMLElement {
  return h('div', { class: 'field' }, h('label', { for: control.id }, text), control, more)
}
