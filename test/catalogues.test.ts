/**
 * What the READMEs list is what the code has, and the other way round: errors, settings and metrics.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ERRORS } from '#contracts/errors.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const all = (text: string, pattern: RegExp): string[] =>
  [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ''))].toSorted()

describe('contracts/README.md', () => {
  test('has the row of every error code, and no other', () => {
    const rows = [
      ...read('contracts/README.md').matchAll(/^\| `(\w+)` \| (\d+) \| `(\w+)` \| (yes|no) \|$/gm),
    ]
    const written = Object.fromEntries(
      rows.map(([, code = '', status, type, retry]) => [
        code,
        { status: Number(status), type, retry: retry === 'yes' },
      ]),
    )
    const coded = Object.fromEntries(
      Object.entries(ERRORS).map(([code, { status, type, retry }]) => [code, { status, type, retry }]),
    )
    expect(written).toEqual(coded)
  })
})

describe.each([
  ['data-plane', ['data-plane/config.ts']],
  [
    'control-plane',
    ['control-plane/config.ts', 'control-plane/embedded/config.ts', 'control-plane/bootstrap/environment.ts'],
  ],
  ['prober', ['prober/config.ts']],
] as const)('%s/README.md', (plane, sources) => {
  const readme = read(`${plane}/README.md`)
  const code = sources.map(read).join('\n')

  test('names every setting the code reads', () => {
    // A setting is a member of an environment schema, or looked up by name.
    const coded = [
      ...all(code, /^\s+([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+):\s/gm),
      ...all(code, /env\['([A-Z0-9_]+)'\]/g),
      ...all(code, /(?:key|url): '([A-Z_]+)'/g),
    ]
    const missing = [...new Set(coded)].filter(
      (name) => !readme.includes(`\`${name}\``) && !readme.includes(`${name}=`),
    )
    expect(missing).toEqual([])
  })

  test('names no setting that nothing reads', () => {
    const known = `${code}\n${read('contracts/process/env.ts')}`
    const tabled = all(readme, /^\| (`[A-Z].*?) \|/gm).flatMap((cell) => all(cell, /`([A-Z][A-Z0-9_]+)`/g))
    expect(tabled.filter((name) => !known.includes(name))).toEqual([])
  })

  test('names every metric the plane has, and no other', () => {
    const coded = all(read(`${plane}/metrics.ts`), /'(apiproxy_\w+)'/g)
    expect(all(readme, /`(apiproxy_[a-z_]+)`/g)).toEqual(coded)
  })
})

test('the settings of an LLM_PROVIDER are those the code knows', () => {
  const fields = all(
    /const FIELDS = \[([^\]]+)\]/.exec(read('control-plane/bootstrap/environment.ts'))?.[1] ?? '',
    /'(\w+)'/g,
  )
  const line =
    read('control-plane/README.md')
      .split('\n')
      .find((text) => text.startsWith('Settings of a provider:')) ?? ''
  expect(all(line.replace(/\([^)]*\)/g, ''), /`([A-Z_]+)`/g)).toEqual(fields)
})
