/**
 * The console as a person uses it: embedded mode, a real browser, and a provider that answers.
 *
 * Without a browser on this machine there is nothing to drive, and the test says that it skips.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAdminClient, type AdminClient } from '#control-plane/admin/client.ts'
import { Browser, findBrowser, type Page } from '../browser/browser.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { OwnedProcess } from '../processes/owned.ts'

const BIN = new URL('../../bin/apiproxy.js', import.meta.url).pathname
const SLOW = 240_000
const TOKEN = `ap-admin-${'t'.repeat(43)}`
/** Becomes an element wherever it is taken for markup, and then tells on us. */
const MARKUP = '<img src=x onerror=alert(1)>'
const WIDE = { width: 1400, height: 900 }
const NARROW = { width: 390, height: 844 }

const program = await findBrowser()
if (program === null)
  process.stderr.write(
    '\nSKIPPED: test/integration/console.test.ts drives a browser, and there is none here. ' +
      'Install chromium, or set TEST_BROWSER to the path of one.\n\n',
  )

let stack: AsyncDisposableStack
let provider: FakeProvider
let browser: Browser
let page: Page
let admin: AdminClient
let [gateway, consoleUrl] = ['', '']

async function startGateway(folder: string): Promise<void> {
  const ports = ['PORT', 'OPS_PORT', 'ADMIN_PORT', 'PROBER_PORT', 'SIMULATED_PORT']
  const child = stack.use(
    await OwnedProcess.start(process.execPath, [BIN, 'start'], {
      cwd: folder,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: folder,
        ...Object.fromEntries(ports.map((name) => [`APIPROXY_${name}`, '0'])),
        APIPROXY_ADMIN_TOKEN: TOKEN,
      },
    }),
  )
  await child.waitForLine(/^curl /, SLOW)
  const text = child.lines.join('\n')
  gateway = /gateway {2}(http:\S+)\/v1/.exec(text)?.[1] ?? ''
  consoleUrl = /admin {4}(http:\S+)/.exec(text)?.[1] ?? ''
}

async function signIn(at: Page): Promise<void> {
  await at.go(`${consoleUrl}/`)
  await at.fill('Admin token', TOKEN)
  await at.click('button', 'Sign in')
  await at.sees('Recent changes')
}

/** Something was written, every node serves it, and the notice says so. */
const isServed = (): Promise<void> => page.sees('Served by the node.')

/** Notices go by themselves, too: then there is none to put away. */
const dismiss = (): Promise<unknown> =>
  page.evaluate(`document.querySelectorAll('.notice button').forEach((one) => one.click())`)

describe.skipIf(program === null)('the console', { timeout: SLOW }, () => {
  beforeAll(async () => {
    stack = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'apiproxy-console-'))
    stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    provider = stack.use(await FakeProvider.start())
    provider.models = ['fake-large', 'fake-small']
    await startGateway(folder)
    admin = createAdminClient({ url: consoleUrl, token: TOKEN, timeoutMs: SLOW })
    browser = stack.use(await Browser.start(program ?? ''))
    page = await browser.page(WIDE)
  }, SLOW)
  afterAll(() => stack.disposeAsync(), SLOW)

  test('shows nothing to who has not the token, and says so', async () => {
    await page.go(`${consoleUrl}/#/keys`)
    await page.fill('Admin token', 'not-the-token')
    await page.click('button', 'Sign in')
    await page.sees('That is not the admin token.')
    expect(await page.evaluate(`[sessionStorage.length, document.querySelector('nav')]`)).toEqual([0, null])
    // The place that was asked for is where it goes on.
    await page.fill('Admin token', TOKEN)
    await page.press('Enter', 13, '\r')
    await page.sees('Who may call the gateway.')
    expect(await page.evaluate(`[localStorage.length, document.cookie, location.hash]`)).toEqual([
      0,
      '',
      '#/keys',
    ])
  })

  test('stays signed in and in its place over a reload, in its tab alone', async () => {
    await page.reload()
    await page.sees('Who may call the gateway.')
    const other = await browser.page(WIDE)
    await other.go(`${consoleUrl}/#/keys`)
    await other.until(`document.querySelector('#token')`)
  })

  test('tells what is wrong with a provider at its field, and adds it once it is right', async () => {
    await page.click('link', 'Providers')
    await page.click('button', 'Add a provider')
    await page.fill('Id', 'acme')
    await page.fill('Name', MARKUP)
    await page.fill('Base URL', 'nowhere')
    await page.fill('API key', 'sk-acme-secret')
    await page.click('button', 'Add')
    await page.sees('is not a URL')
    expect(await page.evaluate(`document.activeElement.id`)).toBe('field-definition-baseUrl')
    await page.fill('Base URL', provider.baseUrl)
    await page.evaluate(`document.querySelector('#field-definition-allowPrivate').click()`)
    await page.fill('Why', 'to see it work')
    await page.click('button', 'Try it out')
    await page.sees('It would write: provider registered, credential added.')
    expect((await admin.providers.list.query({})).providers.map(({ id }) => id)).not.toContain('acme')
    await page.click('button', 'Add')
    await isServed()
    await page.sees('fake-large')
    expect(await page.text()).toContain(MARKUP)
    expect(await page.text()).not.toContain('sk-acme-secret')
    await dismiss()
  })

  test('makes a logical model of what the provider serves', async () => {
    await page.click('link', 'Models')
    await page.click('button', 'Make a model')
    await page.fill('Name', 'fast')
    await page.fill('Provider', 'acme')
    await page.fill('Model there', 'fake-large')
    await page.fill('Weight', '9')
    await page.click('button', 'Add a target')
    await page.fill('Provider', 'acme', 1)
    await page.fill('Model there', 'fake-small', 1)
    await page.click('button', 'Make')
    await isServed()
    await page.sees('90 %')
    const { model } = await admin.models.get.query({ name: 'fast' })
    expect(model.targets.map((one) => [one.provider, one.model, one.weight, one.tier])).toEqual([
      ['acme', 'fake-large', 9, 0],
      ['acme', 'fake-small', 1, 0],
    ])
    await dismiss()
  })

  test('issues a key, whose text is shown once and works', async () => {
    await page.click('link', 'Client keys')
    await page.click('button', 'Issue a key')
    await page.fill('Name', `mine ${MARKUP}`)
    await page.fill('Tags', 'mine')
    await page.click('button', 'Issue')
    await page.sees('This is the only time that the key is shown.')
    const shown = await page.text()
    const key = /sk-ap-[\w-]{43}/.exec(shown)?.[0] ?? ''
    expect(shown).toContain(`curl ${gateway}/v1/chat/completions`)
    await isServed()
    await dismiss()
    await page.click('button', 'Done')
    await page.reload()
    await page.sees(`mine ${MARKUP}`)
    expect(await page.text()).not.toContain(key)

    const response = await fetch(`${gateway}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'Hello!' }] }),
    })
    expect(response.status).toBe(200)
    await response.text()
  })

  test('shows the request when it is over, what was tried for it, and why it went there', async () => {
    await page.click('link', 'Requests')
    await page.until(`document.querySelector('tbody tr') && document.body.innerText.includes('acme')`)
    await page.fill('Key', `mine ${MARKUP}`)
    await page.until(`location.hash.includes('key=') && document.querySelectorAll('tbody tr').length === 1`)
    await page.evaluate(`document.querySelector('tbody a').click()`)
    await page.sees('Who set what it was chosen by')
    const text = await page.text()
    for (const said of [
      'the same again',
      'chosen',
      'weight of acme/fake-large in fast',
      'Seed of the dice',
      'answered',
    ])
      expect(text).toContain(said)
  })

  test('says that somebody was faster, and writes nothing over it', async () => {
    await page.evaluate(`location.hash = '#/models/fast'`)
    await page.click('button', 'Targets and weights')
    const { model } = await admin.models.get.query({ name: 'fast' })
    await admin.models.setWeights.mutate({
      name: 'fast',
      expectedVersion: model.version,
      weights: [{ provider: 'acme', model: 'fake-large', weight: 1 }],
      reason: MARKUP,
    })
    await page.fill('Weight', '5')
    await page.click('button', 'Set')
    await page.sees('Somebody changed it meanwhile.')
    await page.click('button', 'Show what is there now')
    await page.until(`document.body.innerText.match(/50 %/g)?.length === 2`)
  })

  test('reverts a change, after it has shown what that would do', async () => {
    await page.click('link', 'Timeline')
    await page.sees(`“${MARKUP}”`)
    await page.click('button', 'Revert')
    await page.click('button', 'Try it out')
    await page.sees('model fast changed')
    expect((await admin.models.get.query({ name: 'fast' })).model.targets[0]?.weight).toBe(1)
    // In the dialog, which is on top.
    await page.click('button', 'Revert')
    await isServed()
    expect((await admin.models.get.query({ name: 'fast' })).model.targets[0]?.weight).toBe(9)
    await page.sees('revert of commit')
  })

  test('follows the nodes live', async () => {
    await page.click('link', 'Nodes')
    await page.sees('CURRENT'.toLowerCase())
    const { commitNo } = await admin.providers.drain.mutate({ id: 'acme', expectedVersion: 2 })
    await page.until(`document.querySelector('tbody').innerText.includes('${commitNo}')`)
    const { provider: acme } = await admin.providers.get.query({ id: 'acme' })
    await admin.providers.enable.mutate({ id: 'acme', expectedVersion: acme.version })
  })

  const PLACES = [
    'overview',
    'providers',
    'providers/acme',
    'models',
    'models/fast',
    'keys',
    'budgets',
    'requests',
    'timeline',
    'nodes',
  ]

  test.each([
    ['wide', WIDE],
    ['narrow', NARROW],
  ] as const)(
    'can be read by everybody, %s: one heading, names on everything, nothing beyond the edge',
    async (_, screen) => {
      const reader = await browser.page(screen)
      await signIn(reader)
      for (const place of PLACES) {
        await reader.evaluate(`location.hash = '#/${place}'`)
        await reader.until(
          `document.querySelector('.page') !== null && document.querySelector('main').getAttribute('aria-busy') === 'false'`,
        )
        expect(await reader.evaluate(BARRIERS), place).toEqual([])
      }
      expect(reader.complaints).toEqual([])
    },
  )

  test('takes no value for markup anywhere, and asked nothing that its policy refuses', async () => {
    expect(await page.evaluate(`document.querySelectorAll('img').length`)).toBe(0)
    expect(page.complaints).toEqual([])
  })

  test('signs out: nothing is left in the tab', async () => {
    await page.click('button', 'Sign out')
    await page.until(`document.querySelector('#token')`)
    expect(await page.evaluate(`[sessionStorage.length, document.querySelector('nav')]`)).toEqual([0, null])
  })

  test('is not let in any longer with a token that is another one now', async () => {
    const stale = await browser.page(WIDE)
    await signIn(stale)
    await stale.evaluate(`sessionStorage.setItem('apiproxy.admin-token', 'another')`)
    await stale.reload()
    await stale.sees('The token is not accepted any more.')
    expect(await stale.evaluate(`document.querySelector('nav')`)).toBeNull()
  })
})

/** What stands in somebody's way on a page: in the words of what is missing. */
const BARRIERS = `(() => {
  const problems = []
  const headings = [...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.localName[1]))
  if (headings.filter((level) => level === 1).length !== 1) problems.push('not one h1')
  headings.forEach((level, at) => { if (level - (headings[at - 1] ?? 0) > 1) problems.push('a heading is left out before h' + level) })
  for (const field of document.querySelectorAll('input, select, textarea'))
    if ((field.labels ?? []).length === 0) problems.push('no label: ' + field.outerHTML.slice(0, 80))
  for (const one of document.querySelectorAll('button, a'))
    if ((one.getAttribute('aria-label') ?? one.textContent).trim() === '') problems.push('no name: ' + one.outerHTML.slice(0, 80))
  for (const one of document.querySelectorAll('svg')) if (one.getAttribute('aria-label') === null) problems.push('a picture without words')
  for (const cell of document.querySelectorAll('th')) if (cell.scope === '') problems.push('a head of nothing')
  const ids = [...document.querySelectorAll('[id]')].map((one) => one.id)
  if (new Set(ids).size !== ids.length) problems.push('an id twice')
  if (document.documentElement.lang !== 'en') problems.push('no language')
  if (document.documentElement.scrollWidth > innerWidth) problems.push('wider than the window: ' + document.documentElement.scrollWidth)
  return problems
})()`
