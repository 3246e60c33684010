/**
 * A change: what is asked, tried out and carried out, what stood in its way, and how it reached the nodes.
 */
import { ApiFailure, type Issue } from '../api.ts'
import type { Context, Told } from '../context.ts'
import { h, nodesOf, type Child } from '../dom.ts'
import { eventWords } from '../words.ts'
import { button, code } from './bits.ts'
import { Fields, type Field, type Values } from './form.ts'

/** What every change answers. */
export type Done = Readonly<{ commitNo: number; events: readonly string[]; version: number }>

/** Members of every change's input. */
export type How = Readonly<{ commandId: string; dryRun: boolean; reason: string | undefined }>

export type Change<Answer extends Done> = Readonly<{
  title: string
  about?: Child
  fields?: readonly Field[]
  /** Below the fields; what was edited there is read by `send`. */
  editor?: HTMLElement
  /** On the button. */
  action: string
  isDangerous?: boolean
  /** Must be written to go on. */
  confirm?: string
  /** Null: not carried out, because the form is not complete; it says so itself. */
  send: (values: Values, how: How) => Promise<Answer>
  /** What a dry run would change, where its answer tells. */
  previewOf?: (answer: Answer) => Child
  /** What is shown once it is done; null: the dialog closes. */
  after?: (answer: Answer) => Child
  /** Where it leads; absent: what is shown is asked for anew. */
  leadTo?: (answer: Answer) => void
}>

/** Opens a dialog. */
export function offer<Answer extends Done>(context: Context, change: Change<Answer>): void {
  const dialog = new ChangeDialog(context, change)
  dialog.open()
}

class ChangeDialog<Answer extends Done> {
  readonly #context: Context
  readonly #change: Change<Answer>
  readonly #fields: Fields
  readonly #told = h('div', { class: 'told', role: 'alert' })
  readonly #element: HTMLDialogElement
  readonly #buttons: readonly HTMLButtonElement[]
  /** A wish keeps its id for as long as it is the same: sent again, it is carried out once. */
  readonly #ids = new Map<string, string>()

  constructor(context: Context, change: Change<Answer>) {
    this.#context = context
    this.#change = change
    const confirm: readonly Field[] =
      change.confirm === undefined
        ? []
        : [{ name: '-confirm', label: `Write ${change.confirm} to go on`, kind: 'text', required: true }]
    const reason = { name: 'reason', label: 'Why', kind: 'text', hint: 'Kept in the timeline.' } as const
    this.#fields = new Fields([...(change.fields ?? []), ...confirm, reason])
    // Why is asked last, and after all that is changed.
    if (change.editor !== undefined)
      this.#fields.element.insertBefore(change.editor, this.#fields.element.lastChild)
    const carry = h(
      'button',
      { type: 'submit', class: change.isDangerous === true ? 'danger' : 'primary' },
      change.action,
    )
    const preview = h('button', { type: 'button' }, 'Try it out')
    preview.onclick = () => void this.#run(true)
    const form = h('form', { novalidate: true }, this.#parts(carry, preview))
    form.onsubmit = (event) => {
      event.preventDefault()
      void this.#run(false)
    }
    this.#buttons = [carry, preview]
    this.#element = h('dialog', { 'aria-labelledby': 'dialog-title' }, form)
    this.#element.onclose = () => this.#element.remove()
  }

  open(): void {
    document.body.append(this.#element)
    this.#element.showModal()
  }

  #parts(carry: HTMLElement, preview: HTMLElement): Child {
    const { title, about } = this.#change
    return [
      h('h2', { id: 'dialog-title' }, title),
      about === undefined ? null : h('div', { class: 'about' }, about),
      this.#fields.element,
      this.#told,
      h(
        'div',
        { class: 'buttons' },
        button('Cancel', () => this.#element.close()),
        preview,
        carry,
      ),
    ]
  }

  async #run(dryRun: boolean): Promise<void> {
    const values = this.#fields.values()
    const { confirm, send } = this.#change
    if (confirm !== undefined && !dryRun && values.text('-confirm') !== confirm) {
      this.#fields.show([{ path: '-confirm', message: `is not ${confirm}` }])
      return
    }
    this.#busy(true)
    try {
      const answer = await send(values, {
        commandId: this.#idOf(dryRun),
        dryRun,
        reason: values.maybe('reason'),
      })
      this.#fields.show([])
      if (dryRun) this.#say('calm', this.#preview(answer))
      else this.#done(answer)
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#busy(false)
    }
  }

  /** Of the same input the same: an answer that was lost can be asked for again. */
  #idOf(dryRun: boolean): string {
    const wish = JSON.stringify([dryRun, ...new FormData(this.#element.querySelector('form') ?? undefined)])
    const id = this.#ids.get(wish) ?? this.#context.newId()
    this.#ids.set(wish, id)
    return id
  }

  #preview(answer: Answer): Child {
    if (answer.events.length === 0) return 'Nothing would change: it is so already.'
    return [
      h('p', {}, 'It can be done. It would write: ', answer.events.map(eventWords).join(', '), '.'),
      this.#change.previewOf?.(answer),
    ]
  }

  #done(answer: Answer): void {
    const { after, leadTo } = this.#change
    follow(this.#context, answer)
    const shown = after?.(answer) ?? null
    if (shown === null) this.#element.close()
    else this.#finish(shown)
    if (leadTo === undefined) this.#context.again()
    else leadTo(answer)
  }

  /** What is shown once stays until it is put away. */
  #finish(shown: Child): void {
    const close = button('Done', () => this.#element.close(), 'primary')
    const form = h('div', { class: 'form' }, h('h2', { id: 'dialog-title' }, this.#change.title), shown)
    form.append(h('div', { class: 'buttons' }, close))
    this.#element.replaceChildren(form)
    // Not by a stray key: it cannot be shown again.
    this.#element.oncancel = (event) => event.preventDefault()
    close.focus()
  }

  #failed(error: unknown): void {
    if (!(error instanceof ApiFailure)) return this.#say('bad', String(error))
    const { refusal, issues, current } = error.known
    if (refusal === 'conflict') return this.#conflict(current)
    const rest = this.#fields.show(issues)
    if (issues.length > 0)
      return this.#say('bad', rest.length === 0 ? 'Please look at the fields marked above.' : listOf(rest))
    this.#say(
      'bad',
      error.isOpen ? `${error.message} Sent again as it is, it is carried out once.` : error.message,
    )
  }

  #conflict(current: number | null): void {
    const look = button('Show what is there now', () => {
      this.#element.close()
      this.#context.again()
    })
    this.#say('warn', [
      h(
        'p',
        {},
        h('strong', {}, 'Somebody changed it meanwhile. '),
        `It is at version ${current ?? '?'} now, and nothing of yours was written.`,
      ),
      look,
    ])
  }

  #say(tone: string, what: Child): void {
    this.#told.className = `told ${tone}`
    this.#told.replaceChildren(...nodesOf(what))
  }

  #busy(isBusy: boolean): void {
    for (const one of this.#buttons) one.disabled = isBusy
  }
}

const listOf = (issues: readonly Issue[]): HTMLElement =>
  h(
    'ul',
    {},
    issues.map(({ path, message }) => h('li', {}, path === '' ? null : [code(path), ' '], message)),
  )

/** Waits for the nodes, in milliseconds. */
const SERVED_MS = 15_000

/** Tells that it was written, and then who serves it. */
function follow({ api, tell }: Context, { commitNo, events }: Done): void {
  if (events.length === 0) {
    tell({ text: 'Nothing changed: it was so already.', tone: 'calm' })
    return
  }
  const written = `Commit ${commitNo}: ${events.map(eventWords).join(', ')}`
  const told = tell({ text: `${written}. Waiting for the nodes …`, tone: 'calm' })
  void served(api, commitNo, written, told)
}

async function served(api: Context['api'], commitNo: number, written: string, told: Told): Promise<void> {
  try {
    const { live, behind } = await api.fleet.wait.query({ commitNo, timeoutMs: SERVED_MS })
    if (live === 0) told.update({ text: `${written}. No node is alive to serve it.`, tone: 'warn' })
    else if (behind.length === 0)
      told.update({
        text: `${written}. Served by ${live === 1 ? 'the node' : `all ${live} nodes`}.`,
        tone: 'good',
      })
    else
      told.update({
        text: `${written}. ${behind.length} of ${live} nodes do not serve it yet.`,
        tone: 'warn',
      })
  } catch {
    told.update({ text: `${written}. Whether the nodes serve it could not be asked.`, tone: 'warn' })
  }
}
