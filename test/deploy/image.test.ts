/**
 * The Dockerfile as far as it can be judged without building it.
 */
import { join, posix } from 'node:path'
import { tmpdir } from 'node:os'
import { mkdtemp, rm } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { importsOf } from '../architecture/source.ts'
import { OwnedProcess } from '../processes/owned.ts'
import { mountsOf, readCompose } from './compose.ts'
import { entersImage, instructions } from './image.ts'
import { absolute, filesExcept, isThere, MAINS, read } from './repository.ts'

const steps = instructions()
const texts = (name: string): readonly string[] =>
  steps.filter((step) => step.name === name).map(({ text }) => text)
const manifest = JSON.parse(read('package.json')) as {
  dependencies: Record<string, string>
  optionalDependencies: Record<string, string>
}
const entering = filesExcept(['.git', '.tmp', '.apiproxy', 'node_modules']).filter(entersImage)

describe('the image', () => {
  test('is made of the official Node whose version the tests run on', () => {
    const [version, ...others] = new Set(Object.values(manifest.optionalDependencies))
    expect(others).toEqual([])
    expect(texts('FROM')).toEqual([`node:${version}-trixie-slim AS base`, 'base AS packages', 'base'])
  })

  test('installs what runs, and lets nobody’s scripts run while it does', () => {
    const [install = ''] = texts('RUN')
    for (const flag of ['npm ci', '--omit=dev', '--omit=optional', '--ignore-scripts'])
      expect(install).toContain(flag)
  })

  test('is given files that are there and that are let in', () => {
    const sources = texts('COPY')
      .filter((text) => !text.startsWith('--from'))
      .flatMap((text) => text.split(' ').slice(0, -1))
    expect(sources.length).toBeGreaterThan(5)
    for (const source of sources) {
      expect(isThere(source), source).toBe(true)
      expect(
        entering.some((path) => path === source || path.startsWith(`${source}/`)),
        source,
      ).toBe(true)
    }
  })

  test('runs as a user without rights, by node itself, and starts everything when nothing is asked', () => {
    expect(texts('USER')).toEqual(['node'])
    expect(texts('ENTRYPOINT')).toEqual(['["node", "/app/bin/apiproxy.js"]'])
    expect(texts('CMD')).toEqual(['["start"]'])
    expect(MAINS.has('start')).toBe(true)
    expect(texts('STOPSIGNAL')).toEqual(['SIGTERM'])
  })

  test('holds no secret and no argument that could be one', () => {
    expect(texts('ARG')).toEqual([])
    expect(texts('ENV').join('\n')).not.toMatch(/KEY|TOKEN|PASSWORD|URL/)
  })

  test('makes the folders that volumes cover, so that they are not root’s', () => {
    const made = /install -d .*/.exec(texts('RUN').join('\n'))?.[0].split(/[ &]+/) ?? []
    const { services } = readCompose()
    for (const [name, service] of Object.entries(services)) {
      for (const { path } of service.build === undefined ? [] : mountsOf(service))
        expect(made, name).toContain(path)
    }
    expect(texts('VOLUME')).toEqual(['/data'])
  })
})

describe('what enters the image', () => {
  test.each([
    '.env',
    '.env.local',
    'data-plane/.env',
    '.git/config',
    '.github/workflows/ci.yml',
    '.apiproxy/master-key',
    'node_modules/pg/package.json',
    'control-plane/console/node_modules/x/index.js',
    'test/fakes/provider.ts',
    'contracts/ids.test.ts',
    'contracts/catalog/golden/GenesisCreated.v1.json',
    'data-plane/README.md',
    'README.md',
    'docker-compose.yml',
    'Dockerfile',
    'a-new-file',
  ])('is not %s', (path) => {
    expect(entersImage(path)).toBe(false)
  })

  test('is everything that the processes load', () => {
    const inside = new Set(entering)
    const seen = new Set<string>()
    const follow = (path: string): void => {
      if (seen.has(path)) return
      seen.add(path)
      expect(inside.has(path), path).toBe(true)
      for (const { target, typeOnly } of importsOf(read(path))) {
        if (target.startsWith('.')) follow(posix.join(posix.dirname(path), target))
        else if (target.startsWith('#')) follow(target.slice(1))
        else if (!target.startsWith('node:') && !typeOnly) {
          const name = target.split('/', target.startsWith('@') ? 2 : 1).join('/')
          expect(Object.keys(manifest.dependencies), `${path} needs ${name} at run time`).toContain(name)
        }
      }
    }
    for (const main of MAINS.values()) follow(main)
    follow('control-plane/admin/cli.ts')
    // A browser does.
    follow('control-plane/console/page/main.ts')
    expect(seen.size).toBeGreaterThan(100)
  })

  test('is little else', () => {
    const others = entering.filter((path) => !path.endsWith('.ts'))
    expect(others.toSorted()).toEqual([
      '.npmrc',
      'LICENSE',
      'bin/apiproxy.js',
      ...['frame.css', 'icon.svg', 'index.html', 'style.css', 'tables.css', 'words.css'].map(
        (name) => `control-plane/console/page/${name}`,
      ),
      'package-lock.json',
      'package.json',
    ])
  })
})

/** What the Dockerfile counts on when it fills the compile cache. */
test('a process without its configuration loads its code, opens nothing and ends with 64', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'apiproxy-test-'))
  const env = { PATH: process.env['PATH'], APIPROXY_DATA_DIR: join(folder, 'data'), APIPROXY_PORT: 'none' }
  const exits = await Promise.all(
    [...MAINS.keys()].map(async (command) => {
      const run = await OwnedProcess.start(process.execPath, [absolute('bin/apiproxy.js'), command], { env })
      const { code } = await run.exited
      return [command, code, run.lines.some((line) => line.includes('cannot start'))]
    }),
  )
  expect(exits).toEqual([...MAINS.keys()].map((command) => [command, 64, true]))
  await rm(folder, { recursive: true })
})
