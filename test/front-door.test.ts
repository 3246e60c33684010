/**
 * What the front door says is there: commands, options, settings, ports, headers, files. And both languages
 * say the same.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { adminCommands } from '#control-plane/admin/cli/commands.ts'
import { runCommand } from '#test/control-plane/command-line.ts'
import { readEnvironment } from '#control-plane/bootstrap/environment.ts'
import { readConfigFile } from '#control-plane/bootstrap/file.ts'

const place = (path: string): URL => new URL(`../${path}`, import.meta.url)
const read = (path: string): string => readFileSync(place(path), 'utf8')
const all = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1] ?? match[0])

const README = read('README.md')
const CHINESE = read('README.zh.md')
const CONTRIBUTING = read('.github/CONTRIBUTING.md')
/** Code blocks of one language, without their fences; a line that goes on in the next is one line. */
const blocks = (text: string, language: string): string[] =>
  all(text, new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm')).map((code) =>
    code.replaceAll(/\\\n\s*/g, ''),
  )
const CONFIGURATION = [
  'control-plane/config.ts',
  'control-plane/embedded/config.ts',
  'control-plane/bootstrap/environment.ts',
  'data-plane/config.ts',
  'prober/config.ts',
]
  .map(read)
  .join('\n')

describe('both READMEs', () => {
  const without = (text: string): string => text.replaceAll(/^```[^]*?^```$/gm, '')

  test('have the same code, the same links and the same shape', () => {
    expect(all(CHINESE, /^```[^]*?^```$/gm)).toEqual(all(README, /^```[^]*?^```$/gm))
    const links = (text: string): string[] => all(without(text), /\]\(([^)]+)\)/g).slice(1)
    expect(links(CHINESE)).toEqual(links(README))
    const shape = (text: string): string[] => all(without(text), /^(#+ |- |\d\. |\|(?=.))/gm)
    expect(shape(CHINESE)).toEqual(shape(README))
    const names = (text: string): string[] => all(without(text), /`([^`]+)`/g).toSorted()
    expect(names(CHINESE).filter((name) => /^[\x20-\x7e]+$/.test(name))).toEqual(
      names(README).filter((name) => name !== 'provider/model'),
    )
  })
})

describe.each([
  ['README.md', README, ''],
  ['README.zh.md', CHINESE, ''],
  ['.github/CONTRIBUTING.md', CONTRIBUTING, '.github/'],
  ['contracts/README.md', read('contracts/README.md'), 'contracts/'],
  ['control-plane/README.md', read('control-plane/README.md'), 'control-plane/'],
  ['data-plane/README.md', read('data-plane/README.md'), 'data-plane/'],
  ['prober/README.md', read('prober/README.md'), 'prober/'],
  ['test/README.md', read('test/README.md'), 'test/'],
])('%s', (_, text, folder) => {
  test('links to files that are there', () => {
    const targets = all(text, /\]\((?!https?:)([^)#]+)/g)
    expect(targets.filter((target) => !existsSync(place(`${folder}${target}`)))).toEqual([])
  })

  test('names scripts of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = [...all(text, /npm run ([a-z:]+)/g), ...all(text, /`(run:[a-z]+)`/g)]
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })
})

test('contracts/README.md links every decision, and each names files that are there', () => {
  const decisions = readdirSync(place('contracts/decisions/'))
  expect(all(read('contracts/README.md'), /\(decisions\/(\d[^)]+)\)/g)).toEqual(decisions.toSorted())
  for (const decision of decisions) {
    const named = all(read(`contracts/decisions/${decision}`), /`([\w-]+\/[\w./-]+)`/g)
    expect(named.length, decision).toBeGreaterThan(0)
    expect(
      named.filter((path) => /\.\w+$|\/$/.test(path) && !existsSync(place(path))),
      decision,
    ).toEqual([])
  }
})

test('control-plane/README.md shows every folder, and no file that is not there', () => {
  const [tree = ''] = all(read('control-plane/README.md'), /^```\n([^]*?)^```/gm)
  const shown = all(tree, /^[│├└ ]*([\w-]+(?:[/.][\w.*-]+)*\/?) {2}/gm)
  const root = place('control-plane/')
  const folders = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && /(?<!\.test)\.ts$/.test(one.name))
    .map(({ parentPath }) => `${parentPath.slice(root.pathname.length)}/`)
    // Parts of what is shown.
    .filter((folder) => !/^(\/|console\/.+|store\/.+)$/.test(folder))
  for (const folder of new Set(folders))
    expect(
      shown.some((path) => path.startsWith(folder)),
      folder,
    ).toBe(true)
  for (const path of shown.filter((one) => !one.includes('*')))
    expect(existsSync(place(`control-plane/${path}`)), path).toBe(true)
})

describe('README.md', () => {
  const shell = blocks(README, 'sh').join('\n')
  const commands = all(shell, /(?:npx|control-plane) apiproxy (.+)/g)

  test('starts processes that bin/apiproxy.js knows, and gives commands and options that the CLI has', async () => {
    const processes = all(read('bin/apiproxy.js'), /^ {2}'?([a-z-]+)'?: '[a-z-/]+main\.ts'/gm)
    expect(processes).toContain('start')
    let checked = 0
    for (const command of commands) {
      const words = command.split(' ')
      const name = words.slice(0, words.findIndex((word) => word.startsWith('--')) >>> 0)
      if (processes.includes(command)) continue
      const { status, output } = await help(name)
      expect([name, status]).toEqual([name, 0])
      const options = words.filter((word) => word.startsWith('--') && word !== '--help')
      for (const option of options) expect(`${output}\n`, command).toMatch(new RegExp(`${option}[ \\n]`))
      checked += 1
    }
    expect(checked).toBeGreaterThan(5)
  })

  test('gives whole inputs that the API takes', () => {
    const inputs = [...README.matchAll(/apiproxy (\w+) ([\w-]+) --input '([^']+)'/g)]
    expect(inputs.length).toBeGreaterThan(0)
    for (const [, noun = '', verb = '', input = ''] of inputs) {
      const command = adminCommands().find(({ path }) => path === `${noun}.${verb}`)
      expect(command?.issues({ commandId: randomUUID(), ...(JSON.parse(input) as object) })).toEqual([])
    }
  })

  test('names settings that something reads', () => {
    // The reader's own variable in the examples.
    const mine = ['APIPROXY_KEY']
    const named = all(README, /\b((?:APIPROXY|LLM|DATABASE|NATS|REDIS|OPENAI|ANTHROPIC|GEMINI)_[A-Z_]+)\b/g)
      .filter((name) => !name.startsWith('LLM_PROVIDER_'))
      .filter((name) => !mine.includes(name))
    expect(named.length).toBeGreaterThan(8)
    expect([...new Set(named)].filter((name) => !CONFIGURATION.includes(name))).toEqual([])
  })

  test('declares providers by environment and by file that are understood', () => {
    const declared = Object.fromEntries(
      blocks(README, 'sh')
        .filter((code) => code.startsWith('LLM_PROVIDERS='))
        .flatMap((code) => code.trim().split('\n'))
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    ) as Record<string, string>
    const environment = readEnvironment(declared)
    expect(environment).toMatchObject({ ok: true, value: { providers: [{ id: 'vllm' }, { id: 'backup' }] } })
    for (const text of [README, read('control-plane/README.md')]) {
      const [yaml = ''] = blocks(text, 'yaml')
      const file = readConfigFile(yaml, 'README', { OPENAI_API_KEY: 'sk-1', CI_KEY: 'x'.repeat(20) })
      expect(file).toMatchObject({ ok: true, value: { models: [{ name: 'fast' }] } })
    }
  })

  test('names the ports that are the defaults', () => {
    const defaults = all(CONFIGURATION, /PORT: envPort\.default\((\d+)\)/g)
    const named = [...new Set(all(README, /(?<![\d.])(80[0-9]\d)\b/g))].filter((port) => port !== '8000')
    expect(named.length).toBeGreaterThan(3)
    expect(named.filter((port) => !defaults.includes(port))).toEqual([])
  })

  test('names answer headers that are sent', () => {
    const headers = read('contracts/http/headers.ts')
    const named = all(README, /`(x-[a-z-]+)`/g)
    expect(named.length).toBeGreaterThan(3)
    expect(named.filter((name) => !headers.includes(`'${name}'`))).toEqual([])
  })

  test('tells of stores and processes that docker-compose.yml has', () => {
    const services = all(read('docker-compose.yml'), /^ {2}([a-z0-9-]+):$/gm)
    for (const service of ['postgres', 'nats', 'valkey', 'control-plane', 'data-1', 'data-2', 'prober'])
      expect(services).toContain(service)
  })
})

async function help(words: readonly string[]): Promise<Readonly<{ status: number; output: string }>> {
  const { status, out, error } = await runCommand(null, [...words, '--help'])
  return { status, output: `${out}${error}` }
}
