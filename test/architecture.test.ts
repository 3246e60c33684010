import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { checkArchitecture, type Violation } from './architecture/check.ts'
import { blank, importsOf, type SourceFile } from './architecture/source.ts'

const root = new URL('..', import.meta.url).pathname
const TREES = ['contracts', 'data-plane', 'control-plane', 'prober', 'test']

/** Every TypeScript file of the house. What a build makes is no source. */
const tree: readonly SourceFile[] = TREES.flatMap((name) =>
  readdirSync(`${root}${name}`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/(^|\/)(node_modules|dist|\.tmp)\//.test(path))
    .map((path) => ({ path: `${name}/${path}`, text: readFileSync(`${root}${name}/${path}`, 'utf8') })),
)

const lines = (violations: readonly Violation[]): readonly string[] =>
  violations.map(({ rule, path, detail }) => `${rule}: ${path}: ${detail}`)

test('the house is built to its plan', () => {
  expect(tree.length).toBeGreaterThan(50)
  expect(lines(checkArchitecture(tree))).toEqual([])
})

/** A small house in order, to put one fault into. */
const HOUSE: Readonly<Record<string, string>> = {
  'contracts/result.ts': '/**\n * Pure.\n */\nexport const ok = 1',
  'contracts/commit/hash.ts':
    "/**\n * Pure in effect.\n */\nimport { hash } from 'node:crypto'\nexport { hash }",
  'contracts/catalog/fold.ts':
    "/**\n * Pure.\n */\nimport { ok } from '../result.ts'\nexport const fold = ok",
  'contracts/process/clock.ts': 'export const now = () => Date.now()',
  'contracts/process/logger.ts': "import { pino } from 'pino'\nexport const log = pino()",
  'data-plane/routing/rank.ts':
    "/**\n * Pure.\n */\nimport { ok } from '#contracts/result.ts'\nexport const rank = ok",
  'contracts/security/guarded-connector.ts':
    "import { buildConnector } from 'undici'\nexport const connector = buildConnector",
  'data-plane/upstream/pools.ts':
    "import { connector } from '#contracts/security/guarded-connector.ts'\nexport const pools = connector",
  'data-plane/api/serve.ts':
    "import { rank } from '../routing/rank.ts'\nimport { pools } from '../upstream/pools.ts'\nexport const serve = [rank, pools]",
  'data-plane/api/serve.test.ts':
    "import { fake } from '#test/fakes/provider.ts'\nimport { serve } from './serve.ts'\nfake(serve)",
  'control-plane/store/log.ts': "import { Kysely } from 'kysely'\nexport const log = Kysely",
  'control-plane/embedded/app.ts':
    "import { serve } from '#data-plane/api/serve.ts'\nexport const all = serve",
  'test/fakes/provider.ts': 'export const fake = (value: unknown) => value',
}

const houseWith = (changes: Readonly<Record<string, string>>): readonly SourceFile[] =>
  Object.entries({ ...HOUSE, ...changes }).map(([path, text]) => ({ path, text }))

const rulesBroken = (changes: Readonly<Record<string, string>>): readonly string[] => [
  ...new Set(checkArchitecture(houseWith(changes)).map(({ rule }) => rule)),
]

describe('the check', () => {
  test('finds nothing in a house in order', () => {
    expect(lines(checkArchitecture(houseWith({})))).toEqual([])
  })

  const rank = HOUSE['data-plane/routing/rank.ts'] ?? ''
  test.each<[string, string, Readonly<Record<string, string>>]>([
    [
      'planes are apart',
      'contracts importing a plane',
      { 'contracts/bus/x.ts': "import { rank } from '#data-plane/routing/rank.ts'\nrank()" },
    ],
    [
      'planes are apart',
      'one plane importing another',
      { 'data-plane/sync/x.ts': "import { log } from '#control-plane/store/log.ts'\nlog()" },
    ],
    [
      'planes are apart',
      'a type from another plane',
      {
        'data-plane/sync/x.ts': "import type { Log } from '#control-plane/store/log.ts'\nexport type X = Log",
      },
    ],
    [
      'the page stands alone',
      'the browser loading what it is not served',
      {
        'control-plane/console/page/x.ts': "import { ok } from '#contracts/result.ts'\nexport const x = ok",
      },
    ],
    [
      'the page stands alone',
      'the browser loading a package',
      { 'control-plane/console/page/x.ts': "import { fastify } from 'fastify'\nexport const x = fastify" },
    ],
    [
      'the page stands alone',
      'the server running what the browser runs',
      {
        'control-plane/console/page/x.ts': 'export const x = 1',
        'control-plane/console/serve.ts': "import { x } from './page/x.ts'\nexport const y = x",
      },
    ],
    [
      'planes are apart',
      'a plane importing test code',
      { 'data-plane/sync/x.ts': "import { fake } from '#test/fakes/provider.ts'\nfake(1)" },
    ],
    [
      'planes are apart',
      'contracts tested with a plane',
      { 'contracts/x.test.ts': "import { rank } from '#data-plane/routing/rank.ts'\nrank()" },
    ],
    [
      'planes are named when crossed',
      'a path out of the plane',
      { 'data-plane/sync/x.ts': "import { ok } from '../../contracts/result.ts'\nok()" },
    ],
    [
      'imports point down',
      'routing importing upstream',
      { 'data-plane/routing/slots.ts': "import { pools } from '../upstream/pools.ts'\npools()" },
    ],
    [
      'imports point down',
      'routing importing upstream later',
      { 'data-plane/routing/slots.ts': "export const load = () => import('../upstream/pools.ts')" },
    ],
    ['every place is on the plan', 'a new folder', { 'data-plane/billing/x.ts': 'export const x = 1' }],
    ['every place is on the plan', 'a new file at the top', { 'data-plane/glue.ts': 'export const x = 1' }],
    [
      'packages have a home',
      'ioredis in the api',
      { 'data-plane/api/x.ts': "import { Redis } from 'ioredis'\nnew Redis()" },
    ],
    [
      'packages have a home',
      'SQL in the data plane',
      { 'data-plane/sync/x.ts': "import pg from 'pg'\npg()" },
    ],
    [
      'packages have a home',
      'a package nobody knows',
      { 'data-plane/api/x.ts': "import { left } from '@scope/left-pad/deep'\nleft()" },
    ],
    [
      'pure is pure',
      'a pure file with a node import',
      { 'data-plane/routing/rank.ts': `${rank}\nimport { readFileSync } from 'node:fs'\nreadFileSync` },
    ],
    [
      'pure is pure',
      'a pure file that waits',
      { 'data-plane/routing/rank.ts': `${rank}\nexport async function x() {}` },
    ],
    [
      'pure is pure',
      'a pure file with a timer',
      { 'data-plane/routing/rank.ts': `${rank}\nsetTimeout(() => 1, 1)` },
    ],
    [
      'pure is pure',
      'a pure file importing what is not',
      {
        'data-plane/routing/rank.ts': `${rank}\nimport { s } from './slots.ts'\ns`,
        'data-plane/routing/slots.ts': 'export const s = 1',
      },
    ],
    [
      'pure is pure',
      'a pure file that lost its claim',
      { 'data-plane/routing/resolve.ts': 'export const resolve = 1' },
    ],
    [
      'time and chance are arguments',
      'the time of day',
      { 'data-plane/api/x.ts': 'export const at = Date.now()' },
    ],
    [
      'time and chance are arguments',
      'dice',
      { 'data-plane/api/x.ts': 'export const at = `${Math.random()}`' },
    ],
    [
      'no cycles',
      'two files',
      {
        'data-plane/routing/slots.ts': "import { b } from './table.ts'\nexport const a = b",
        'data-plane/routing/table.ts': "import { a } from './slots.ts'\nexport const b = a",
      },
    ],
    [
      'no cycles',
      'three files',
      {
        'data-plane/routing/slots.ts': "import { b } from './table.ts'\nexport const a = b",
        'data-plane/routing/table.ts': "import { c } from './third.ts'\nexport const b = c",
        'data-plane/routing/third.ts': "import { a } from './slots.ts'\nexport const c = a",
      },
    ],
    ['no barrels', 'export *', { 'data-plane/routing/all.ts': "export * from './rank.ts'" }],
    [
      'no barrels',
      'a file that only passes on',
      { 'data-plane/routing/all.ts': "// All.\nexport { rank } from './rank.ts'" },
    ],
    ['names say something', 'index.ts', { 'data-plane/routing/index.ts': 'export const x = 1' }],
    ['names say something', 'types.ts', { 'data-plane/api/types.ts': 'export const x = 1' }],
    ['names say something', 'a folder of helpers', { 'data-plane/api/helpers/x.ts': 'export const x = 1' }],
    ['no default exports', 'a default export', { 'data-plane/api/x.ts': 'export default 1' }],
    ['no any', 'a type', { 'data-plane/api/x.ts': 'export const x: any = 1' }],
    ['no any', 'a list', { 'data-plane/api/x.ts': 'export const x: readonly any[] = []' }],
    ['no any', 'a cast in a test', { 'data-plane/api/serve.test.ts': 'export const x = 1 as any' }],
    ['no any', 'an argument of a type', { 'data-plane/api/x.ts': 'export const x = new Map<string, any>()' }],
    ['no any', 'a schema', { 'contracts/bus/x.ts': 'export const x = z.any()' }],
    ['files are short', '401 lines', { 'data-plane/api/x.ts': 'export const x = 1\n'.repeat(401) }],
    [
      'folders are shallow',
      'five folders',
      { 'data-plane/dialects/a/b/c/x.ts': '/**\n * Pure.\n */\nexport const x = 1' },
    ],
    [
      'folders are small',
      '13 files',
      Object.fromEntries(
        Array.from({ length: 12 }, (_, at) => [`data-plane/upstream/x${at}.ts`, 'export const x = 1']),
      ),
    ],
  ])('sees "%s" broken by %s', (rule, _fault, changes) => {
    expect(rulesBroken(changes)).toEqual([rule])
  })

  test.each<[string, string]>([
    [
      'words in comments',
      '// any await Date.now() import x from "pg"\n/* export default any */\nexport const x = 1',
    ],
    ['words in strings', "export const x = 'any' + \"export default\" + `await Date.now() import('pg')`"],
    ['words in regular expressions', 'export const x = /any|Date.now()|["\']/.test(y) // "'],
    ['a division', "export const x = a / b / 2 + ' any '"],
    ['members and methods called any', 'AbortSignal.any([a])\nfunction any(x: number) {}\nany(1)'],
    ['nested templates', 'export const x = `a ${b ? `any ${c} any` : "any"} any`'],
    ['the word company', 'export const company = "x"'],
  ])('is not misled by %s', (_what, text) => {
    expect(rulesBroken({ 'data-plane/api/x.ts': text })).toEqual([])
  })
})

describe('reading source', () => {
  test('finds imports of every form', () => {
    const text = `
      import a from 'pg'
      import type { B } from './b.ts'
      import { type C, type D } from './c.ts'
      import { type E, f } from './e.ts'
      import {
        g,
        h,
      } from "#contracts/g.ts"
      import * as i from 'node:fs'
      import './side-effect.ts'
      export { j } from './j.ts'
      export type { K } from './k.ts'
      // import { no } from './no.ts'
      const l = await import('./l.ts')
      const text = "import { no } from './no.ts'"
    `
    expect(importsOf(text)).toEqual([
      { target: 'pg', typeOnly: false },
      { target: './b.ts', typeOnly: true },
      { target: './c.ts', typeOnly: true },
      { target: './e.ts', typeOnly: false },
      { target: '#contracts/g.ts', typeOnly: false },
      { target: 'node:fs', typeOnly: false },
      { target: './side-effect.ts', typeOnly: false },
      { target: './j.ts', typeOnly: false },
      { target: './k.ts', typeOnly: true },
      { target: './l.ts', typeOnly: false },
    ])
  })

  test('keeps every line where it was', () => {
    const text = "/* a\nb */ const x = `1\n${y}\n2` // c\n'd'"
    for (const strings of [true, false]) {
      expect(blank(text, { comments: false, strings }).split('\n')).toHaveLength(text.split('\n').length)
    }
    expect(blank(text, { comments: true, strings: true })).toBe(text)
  })

  test('gives every real file back unchanged when nothing is left out', () => {
    for (const { text } of tree) expect(blank(text, { comments: true, strings: true })).toBe(text)
  })
})
