import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { Script } from 'node:vm'
import fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importsOf } from '#test/architecture/source.ts'
import { addConsoleRoutes, consoleFiles } from './serve.ts'

let server: FastifyInstance
beforeAll(async () => {
  server = fastify({ logger: false })
  addConsoleRoutes(server)
  await server.ready()
})
afterAll(() => server.close())

const ask = (
  url: string,
  headers: Readonly<Record<string, string>> = {},
  method: 'GET' | 'HEAD' | 'POST' = 'GET',
) => server.inject({ method, url, headers })

const FILES = consoleFiles()
const PATHS = FILES.map(({ path }) => path)
const CODE = FILES.filter(({ path }) => path.endsWith('.ts'))

describe('the console', () => {
  test('is at the root, without a token', async () => {
    const { statusCode, headers, body } = await ask('/')
    expect([statusCode, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(body).toContain('<div id="console">')
    expect(headers['set-cookie']).toBeUndefined()
  })

  test.each(PATHS)('%s may load and ask nobody but us, is not guessed at and not framed', async (path) => {
    const { statusCode, headers } = await ask(path)
    expect(statusCode).toBe(200)
    expect(headers).toMatchObject({
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    })
  })

  test('has files of these types', async () => {
    const types = await Promise.all(
      ['/console/main.ts', '/console/style.css', '/console/icon.svg'].map(
        async (path) => (await ask(path)).headers['content-type'],
      ),
    )
    expect(types).toEqual(['text/javascript; charset=utf-8', 'text/css; charset=utf-8', 'image/svg+xml'])
  })

  test('answers 304 to who has it already, also through a proxy that compresses', async () => {
    const { headers } = await ask('/console/main.ts')
    const etag = String(headers.etag)
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
      const again = await ask('/console/main.ts', { 'if-none-match': known })
      expect([again.statusCode, again.body, again.headers.etag]).toEqual([304, '', etag])
      expect(again.headers['content-security-policy']).toBeDefined()
    }
    expect((await ask('/console/main.ts', { 'if-none-match': '"other"' })).statusCode).toBe(200)
  })

  test('answers HEAD like GET, and takes nothing else', async () => {
    const head = await ask('/', {}, 'HEAD')
    expect([head.statusCode, head.body]).toEqual([200, ''])
    expect(head.headers['content-length']).toBe((await ask('/')).headers['content-length'])
    expect((await ask('/', {}, 'POST')).statusCode).toBe(404)
  })

  test.each([
    '/console/',
    '/console/serve.ts',
    '/console/tsconfig.json',
    '/console/page/main.ts',
    '/console/format.test.ts',
    '/console/../serve.ts',
    '/console/..%2fserve.ts',
    '/console/%2e%2e/serve.ts',
    '/console/..%5cserve.ts',
    '/console/views',
    '/console//main.ts',
    '/console/main.ts%00.css',
    '/index.html',
    '/main.ts',
    '/package.json',
  ])('has no %s', async (path) => {
    expect((await ask(path)).statusCode).toBe(404)
  })

  test('has every file of its folder but tests and settings', () => {
    const names = readdirSync(new URL('page/', import.meta.url), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(html|css|svg|ts)$/.test(name) && !name.endsWith('.test.ts'))
      .map((name) => (name === 'index.html' ? '/' : `/console/${name}`))
    expect(PATHS.toSorted()).toEqual(names.toSorted())
    expect(PATHS.length).toBeGreaterThan(30)
  })
})

describe('what a browser gets', () => {
  test.each(CODE.map((file) => [file.path, file] as const))('%s is JavaScript', (_path, file) => {
    const { text } = file.body()
    expect(text).not.toMatch(/^\s*import type/m)
    // As a script: only what modules have beyond one is taken out.
    const script = text
      .replaceAll(/^import [^;]*?from '[^']+'/gms, '')
      .replaceAll(/^export (?=const|function|class|async)/gm, '')
      .replaceAll(/^export \{[^}]*\}.*$/gm, '')
    expect(() => new Script(`(async () => {\n${script}\n})`)).not.toThrow()
  })

  test('imports what is served, by addresses that a browser understands', () => {
    for (const { path, body } of CODE) {
      for (const { target } of importsOf(body().text)) {
        expect(target, path).toMatch(/^\.{1,2}\//)
        expect(PATHS, `${target} of ${path}`).toContain(posix.join(posix.dirname(path), target))
      }
    }
  })

  test('is loaded from the first file on', () => {
    const reached = new Set<string>()
    const visit = (path: string): void => {
      if (reached.has(path)) return
      reached.add(path)
      const file = CODE.find((one) => one.path === path)
      for (const { target } of importsOf(file?.body().text ?? ''))
        visit(posix.join(posix.dirname(path), target))
    }
    visit('/console/main.ts')
    const unused = CODE.map(({ path }) => path).filter((path) => !reached.has(path))
    // Of these only types are needed.
    expect(unused).toEqual(['/console/context.ts'])
  })

  test('names in its page only files that are served, and has no script or style of its own', async () => {
    const { body } = await ask('/')
    const named = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => `/${match[1]}`)
    expect(named.length).toBeGreaterThan(3)
    expect(named.filter((path) => !PATHS.includes(path))).toEqual([])
    expect(body).not.toMatch(/<style|style=|\son\w+=|<script(?![^>]*src=)/)
  })

  test('never makes markup of a text, nor code', () => {
    for (const { path, body } of CODE) {
      expect(body().text, path).not.toMatch(
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|srcdoc|\beval\b|new Function|javascript:/,
      )
    }
  })

  test('keeps the token in the tab alone', () => {
    const all = CODE.map(({ body }) => body().text).join('\n')
    expect(all).not.toMatch(/localStorage|document\.cookie|indexedDB|caches\./)
    expect(all.match(/sessionStorage/g)?.length).toBe(3)
  })

  test('says nothing of this machine', () => {
    for (const { path, body } of FILES) expect(body().text, path).not.toContain(process.cwd())
  })
})

test('serving it tells nothing on the terminal', () => {
  const serve = new URL('serve.ts', import.meta.url).href
  const code = `const { consoleFiles } = await import('${serve}'); for (const { body } of consoleFiles()) body()`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
  })
  expect([status, stderr]).toEqual([0, ''])
})

test('colours keep 4.5 to 1 against what they stand on, in light and in dark', () => {
  const css = readFileSync(new URL('page/style.css', import.meta.url), 'utf8')
  const [light = '', dark = ''] = [...css.matchAll(/:root \{([^}]+)\}/g)].map((match) => match[1] ?? '')
  for (const theme of [light, dark]) {
    const colours = new Map(
      [...theme.matchAll(/--([\w-]+): (#\w{6})/g)].map((match) => [match[1], match[2] ?? '']),
    )
    const of = (name: string): number => luminance(colours.get(name) ?? '')
    const pairs = [
      ...['text', 'quiet', 'accent'].flatMap((name) =>
        ['ground', 'sheet', 'raised'].map((under) => [name, under] as const),
      ),
      ...['good', 'calm', 'warn', 'bad'].flatMap((name) =>
        [`${name}-ground`, 'sheet'].map((under) => [name, under] as const),
      ),
      ['on-accent', 'accent'] as const,
    ]
    for (const [above, under] of pairs) {
      const [more, less] = [of(above), of(under)].toSorted((a, b) => b - a)
      expect(((more ?? 0) + 0.05) / ((less ?? 0) + 0.05), `${above} on ${under}`).toBeGreaterThanOrEqual(4.5)
    }
  }
})

/** WCAG 2.2, relative luminance. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
