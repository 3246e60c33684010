/**
 * A real browser without a window, and what a person does with it: goes somewhere, clicks on what it reads,
 * fills in what is labelled, and looks.
 *
 * No driver of others: the browser's own protocol is enough, and what cannot be found by its words or its label
 * cannot be used by everybody either.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OwnedProcess } from '../processes/owned.ts'
import { findProgram } from '../services/find.ts'
import { Wire } from './wire.ts'

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
/** Whatever a page needs on a machine that is busy, in milliseconds. */
const PATIENCE_MS = 60_000
const LOOK_MS = 50

/** @returns how to start one, or null: this machine has none. */
export const findBrowser = async (): Promise<string | null> =>
  process.env['TEST_BROWSER'] ?? (await findProgram(PROGRAMS))

export type Screen = Readonly<{ width: number; height: number; isDark?: boolean }>

export class Browser implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack
  readonly #wire: Wire

  static async start(program: string): Promise<Browser> {
    await using stack = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'apiproxy-browser-'))
    stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const options = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
    ]
    const quiet = [
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--mute-audio',
    ]
    const where = [`--user-data-dir=${folder}`, '--remote-debugging-port=0', 'about:blank']
    const child = stack.use(
      await OwnedProcess.start(program, [...options, ...quiet, ...where], {
        env: { PATH: process.env['PATH'], HOME: folder, LANG: 'C.UTF-8', TZ: 'UTC' },
      }),
    )
    const line = await child.waitForLine(/DevTools listening on ws:/, PATIENCE_MS)
    const wire = stack.use(await Wire.open(/ws:\S+/.exec(line)?.[0] ?? ''))
    return new Browser(stack.move(), wire)
  }

  private constructor(stack: AsyncDisposableStack, wire: Wire) {
    this.#stack = stack
    this.#wire = wire
  }

  /** A tab with cookies and storage of its own. */
  async page(screen: Screen): Promise<Page> {
    const { browserContextId } = await this.#wire.send('Target.createBrowserContext')
    const { targetId } = await this.#wire.send('Target.createTarget', {
      url: 'about:blank',
      browserContextId,
    })
    const { sessionId } = await this.#wire.send('Target.attachToTarget', { targetId, flatten: true })
    const page = new Page(this.#wire, String(sessionId))
    await page.begin()
    await page.resize(screen)
    return page
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

/** What a person looks for; `at` tells which of several. */
type Kind = 'button' | 'link' | 'field'

/** In the page: what is on top is what can be used. */
const FIND = `(kind, text, at) => {
  const top = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document
  const isSeen = (one) => one.checkVisibility({ visibilityProperty: true })
  const words = (one) => (one.getAttribute('aria-label') ?? one.textContent).replace(/\\s+/g, ' ').trim()
  const all = kind === 'field'
    ? [...top.querySelectorAll('label')]
        .filter((label) => words(label).replace(/ optional$/, '') === text)
        .map((label) => label.control)
    : [...top.querySelectorAll(kind === 'button' ? 'button' : 'a[href]')].filter((one) => words(one) === text)
  return all.filter((one) => one !== null && isSeen(one) && !one.disabled).at(at) ?? null
}`

export class Page {
  /** What the page complained of: refused by its policy, thrown, not found. */
  readonly complaints: string[] = []
  readonly #wire: Wire
  readonly #session: string

  constructor(wire: Wire, session: string) {
    this.#wire = wire
    this.#session = session
  }

  async begin(): Promise<void> {
    this.#wire.on(this.#session, (method, params) => {
      if (method === 'Runtime.exceptionThrown')
        this.complaints.push(JSON.stringify(params['exceptionDetails']))
      if (method === 'Log.entryAdded')
        this.#logged(params['entry'] as Readonly<{ level: string; text: string; url?: string }>)
      // A dialog of the browser's own would wait for somebody: ours never opens one.
      if (method === 'Page.javascriptDialogOpening') {
        this.complaints.push(`a dialog: ${String(params['message'])}`)
        void this.#send('Page.handleJavaScriptDialog', { accept: false })
      }
    })
    for (const domain of ['Page', 'Runtime', 'Log']) await this.#send(`${domain}.enable`)
  }

  #logged({ level, text, url = '' }: Readonly<{ level: string; text: string; url?: string }>): void {
    // What the admin API refuses is told to the reader by the page.
    if (level === 'error' && !url.includes('/trpc/')) this.complaints.push(`${text} ${url}`)
  }

  async resize({ width, height, isDark = false }: Screen): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    })
    const features = [{ name: 'prefers-color-scheme', value: isDark ? 'dark' : 'light' }]
    await this.#send('Emulation.setEmulatedMedia', { features })
  }

  async go(url: string): Promise<void> {
    await this.#send('Page.navigate', { url })
    await this.until(`document.readyState === 'complete'`)
  }

  async reload(): Promise<void> {
    await this.evaluate(`globalThis.isBefore = true`)
    await this.#send('Page.reload')
    await this.until(`globalThis.isBefore === undefined && document.readyState === 'complete'`)
  }

  /** @returns what an expression is worth in the page. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const asked = { expression, returnByValue: true, awaitPromise: true }
    const { result, exceptionDetails } = (await this.#send('Runtime.evaluate', asked)) as Readonly<{
      result: { value?: unknown }
      exceptionDetails?: { text: string; exception?: { description?: string } }
    }>
    if (exceptionDetails !== undefined)
      throw new Error(`${exceptionDetails.exception?.description ?? exceptionDetails.text} in ${expression}`)
    return result.value as Value
  }

  /** Waits until an expression is worth something. */
  async until<Value = unknown>(expression: string): Promise<Value> {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      // Between two pages there is none.
      const value = await this.evaluate<Value>(expression).catch(() => null)
      if (value) return value
      if (Date.now() > end)
        throw new Error(`never true: ${expression}\n${await this.text()}\n${this.complaints.join('\n')}`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  text(): Promise<string> {
    return this.evaluate(`document.body.innerText`)
  }

  /** Waits until it reads this. */
  async sees(text: string): Promise<void> {
    await this.until(`document.body.innerText.includes(${JSON.stringify(text)})`)
  }

  async click(kind: Kind, text: string, at = 0): Promise<void> {
    const found = `(${FIND})(${JSON.stringify(kind)}, ${JSON.stringify(text)}, ${at})`
    await this.until(`${found} !== null`)
    // Two looks alike: it does not move any more.
    const { x, y } = await this.until<{ x: number; y: number }>(`(async () => {
      const one = ${found}
      one.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' })
      const place = () => { const { x, y, width, height } = one.getBoundingClientRect(); return { x: x + width / 2, y: y + height / 2 } }
      const before = place()
      await new Promise(requestAnimationFrame)
      const after = place()
      return before.x === after.x && before.y === after.y ? after : null
    })()`)
    for (const type of ['mousePressed', 'mouseReleased'])
      await this.#send('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 })
  }

  /** Writes into a field, in the place of what it holds; of a choice it takes the one with that text. */
  async fill(label: string, value: string, at = 0): Promise<void> {
    const found = `(${FIND})('field', ${JSON.stringify(label)}, ${at})`
    const kind = await this.until<string>(
      `(() => { const one = ${found}; one.scrollIntoView({ block: 'center' }); one.focus(); return one.localName })()`,
    )
    if (kind === 'select') {
      await this.until(`(() => {
        const one = ${found}
        const option = [...one.options].find((each) => each.textContent === ${JSON.stringify(value)})
        if (option === undefined) return false
        one.value = option.value
        one.dispatchEvent(new Event('change', { bubbles: true }))
        return true
      })()`)
      return
    }
    await this.evaluate(`${found}.select()`)
    if (value === '') await this.press('Backspace', 8)
    else await this.#send('Input.insertText', { text: value })
  }

  async press(key: string, windowsVirtualKeyCode: number, text?: string): Promise<void> {
    const pressed = { key, code: key, windowsVirtualKeyCode, ...(text === undefined ? {} : { text }) }
    await this.#send('Input.dispatchKeyEvent', {
      type: text === undefined ? 'rawKeyDown' : 'keyDown',
      ...pressed,
    })
    await this.#send('Input.dispatchKeyEvent', { type: 'keyUp', ...pressed })
  }

  /** A picture of the whole page, for people. */
  async picture(path: string): Promise<void> {
    const { data } = await this.#send('Page.captureScreenshot', {
      format: 'png',
      captureBeyondViewport: false,
    })
    await writeFile(path, Buffer.from(String(data), 'base64'))
  }

  #send(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<Record<string, unknown>> {
    return this.#wire.send(method, params, this.#session)
  }
}
