/**
 * The frame around every page: where one can go, what is going on, and the page itself, kept up to date.
 */
import { ApiFailure, type Api } from './api.ts'
import type { Context, Mounted, Notice, Page, Told } from './context.ts'
import { h, morphChildren, nodesOf } from './dom.ts'
import { moment } from './format.ts'
import { button, link } from './parts/bits.ts'
import { hashOf, type Query, type Route } from './route.ts'
import { titleOf, NAVIGATION, viewOf } from './views.ts'

export type ShellPorts = Readonly<{
  api: Api
  now: () => number
  newId: () => string
  route: () => Route
  go: (path: readonly string[], query?: Query) => void
  /** Signs out. @param why null: because somebody wanted to. */
  out: (why: string | null) => void
}>

/** Notices go away by themselves, in milliseconds. */
const NOTICE_MS = 12_000

export class Shell {
  readonly element: HTMLElement
  readonly #ports: ShellPorts
  readonly #nav = h('nav', { 'aria-label': 'Main' })
  readonly #main = h('main', { id: 'main', tabindex: -1 })
  readonly #notices = h('div', { class: 'notices', role: 'status', 'aria-live': 'polite' })
  readonly #closed = new AbortController()
  #mounted: Mounted | null = null
  #route: Route | null = null
  #loading = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Epoch milliseconds; null: nothing of this page was shown yet. */
  #shownAt: number | null = null

  constructor(ports: ShellPorts) {
    this.#ports = ports
    // A link to the part of a page would be a place of the console.
    const skip = button('Skip to the page', () => this.#main.focus(), 'skip')
    this.element = h(
      'div',
      { class: 'shell' },
      skip,
      h(
        'header',
        {},
        h('div', { class: 'brand' }, link('APIProxy', ['overview'])),
        this.#nav,
        button('Sign out', () => ports.out(null), 'quiet'),
      ),
      this.#main,
      this.#notices,
    )
  }

  open(): void {
    const { signal } = this.#closed
    window.addEventListener('hashchange', () => this.#turn(true), { signal })
    document.addEventListener('visibilitychange', () => this.#seen(), { signal })
    this.#turn(false)
  }

  close(): void {
    this.#closed.abort()
    this.#leave()
    for (const dialog of document.querySelectorAll('dialog')) dialog.close()
  }

  /** @param isMove somebody went there: what reads aloud begins with the page. */
  #turn(isMove: boolean): void {
    const route = this.#ports.route()
    const [place = 'overview'] = route.path
    const before = this.#route
    this.#route = route
    this.#leave()
    if (before !== null && hashOf(before.path) === hashOf(route.path)) return this.#turnPage(before, route)
    this.#shownAt = null
    for (const dialog of document.querySelectorAll('dialog')) dialog.close()
    this.#nav.replaceChildren(
      h(
        'ul',
        {},
        NAVIGATION.map(([name, title]) => {
          const there = link(title, [name])
          if (name === place) there.setAttribute('aria-current', 'page')
          return h('li', {}, there)
        }),
      ),
    )
    this.#nav.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
    this.#main.replaceChildren(
      h('div', { class: 'heading' }, h('h1', { tabindex: -1 }, titleOf(route))),
      h('p', { class: 'loading' }, 'Loading …'),
    )
    if (isMove) {
      scrollTo(0, 0)
      this.#main.querySelector('h1')?.focus({ preventScroll: true })
    }
    this.#entitle(titleOf(route))
    this.#mount(route)
  }

  /** The same page of other things: who works in it stays where they are. */
  #turnPage(before: Route, route: Route): void {
    if (before.query.get('before') !== route.query.get('before')) scrollTo(0, 0)
    this.#mount(route)
  }

  #mount(route: Route): void {
    this.#mounted = viewOf(route)(this.#context(), route)
    void this.#load()
  }

  #context(): Context {
    const { api, now, newId, go } = this.#ports
    const again = (): void => void this.#load()
    return {
      api,
      now,
      newId,
      // Who is there already wants to see it anew.
      go: (path, query) => (hashOf(path, query) === this.#address() ? again() : go(path, query)),
      again,
      tell: (notice) => this.#tell(notice),
    }
  }

  #address(): string {
    const { path, query } = this.#ports.route()
    return hashOf(path, Object.fromEntries(query))
  }

  #leave(): void {
    this.#mounted?.stop?.()
    this.#mounted = null
    this.#loading.abort()
    clearTimeout(this.#timer)
  }

  #seen(): void {
    const refreshMs = this.#mounted?.refreshMs ?? null
    if (document.visibilityState === 'visible' && refreshMs !== null) void this.#load()
  }

  /** The later of two wins: the earlier one is broken off. */
  async #load(): Promise<void> {
    const mounted = this.#mounted
    if (mounted === null) return
    this.#loading.abort()
    clearTimeout(this.#timer)
    const loading = new AbortController()
    this.#loading = loading
    this.#main.setAttribute('aria-busy', 'true')
    try {
      const page = await mounted.load(loading.signal)
      if (!loading.signal.aborted) this.#show(page)
    } catch (error) {
      if (!loading.signal.aborted) this.#failed(error)
    }
    if (loading.signal.aborted) return
    this.#main.setAttribute('aria-busy', 'false')
    const { refreshMs } = mounted
    if (refreshMs !== null)
      this.#timer = setTimeout(() => {
        if (document.visibilityState === 'visible') void this.#load()
      }, refreshMs)
  }

  #show({ heading, about, actions, body }: Page): void {
    this.#shownAt = this.#ports.now()
    this.#entitle(heading)
    morphChildren(
      this.#main,
      nodesOf([
        h(
          'div',
          { class: 'heading' },
          h('h1', { tabindex: -1 }, heading),
          h('div', { class: 'actions' }, actions),
          about === undefined ? null : h('p', { class: 'about' }, about),
        ),
        h('div', { class: 'page' }, body),
      ]),
    )
  }

  #failed(error: unknown): void {
    if (error instanceof ApiFailure && error.known.code === 'UNAUTHORIZED')
      return this.#ports.out('The token is not accepted any more.')
    const message = error instanceof Error ? error.message : String(error)
    const again = button('Try again', () => void this.#load())
    const at = this.#shownAt
    if (at === null) {
      const [heading] = this.#main.children
      const box = h('div', { class: 'told bad', role: 'alert' }, h('p', {}, message), again)
      this.#main.replaceChildren(...nodesOf([heading, box]))
      return
    }
    const now = this.#ports.now()
    const text = `This is as of ${moment(at, now)}: ${message}`
    this.#main.querySelector(':scope > .stale')?.remove()
    this.#main
      .querySelector('.heading')
      ?.after(h('div', { class: 'told warn stale', role: 'alert' }, text, again))
  }

  #entitle(heading: string): void {
    document.title = `${heading} · APIProxy`
  }

  #tell(notice: Notice): Told {
    const text = h('p', {})
    const box = h('div', {}, text)
    let timer: ReturnType<typeof setTimeout> | undefined
    const update = ({ text: said, tone }: Notice): void => {
      text.textContent = said
      box.className = `notice ${tone}`
      clearTimeout(timer)
      timer = setTimeout(() => box.remove(), NOTICE_MS)
    }
    box.append(button('×', () => box.remove(), 'quiet small'))
    box.lastElementChild?.setAttribute('aria-label', 'Dismiss')
    this.#notices.append(box)
    update(notice)
    return { update }
  }
}
