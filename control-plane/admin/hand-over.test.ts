/**
 * `bin/apiproxy.js` under a Node that is too old: it becomes the pinned one, as far as anybody can see.
 */
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OwnedProcess } from '#test/processes/owned.ts'

const BIN = new URL('../../bin/apiproxy.js', import.meta.url).pathname
const PINNED = `node-${process.platform}-${process.arch}`

/** Stands for the pinned Node: says what it was given, and does what its last argument says. */
const STAND_IN = `#!/bin/sh
echo "given: $*"
shift
case "$1" in
  exit) exit "$2" ;;
  wait) trap 'echo "stopping"; exit 7' TERM; echo ready; i=0; while [ $i -lt 200 ]; do sleep 0.05; i=$((i+1)); done ;;
  die) kill -KILL $$ ;;
esac
`

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'apiproxy-bin-'))
  await mkdir(join(folder, 'bin'))
  const source = await readFile(BIN, 'utf8')
  // This very Node is too old, for once.
  const aged = source.replace('const LEAST_NODE = 24', 'const LEAST_NODE = 999')
  expect(aged).not.toBe(source)
  await writeFile(join(folder, 'bin', 'apiproxy.js'), aged)
  await copyFile(new URL('../../package.json', import.meta.url).pathname, join(folder, 'package.json'))
  const pinned = join(folder, 'node_modules', PINNED)
  await mkdir(join(pinned, 'bin'), { recursive: true })
  await writeFile(join(pinned, 'package.json'), '{}')
  await writeFile(join(pinned, 'bin', 'node'), STAND_IN)
  await chmod(join(pinned, 'bin', 'node'), 0o755)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const start = (...args: readonly string[]) =>
  OwnedProcess.start(process.execPath, [join(folder, 'bin', 'apiproxy.js'), ...args])

describe('an old Node', () => {
  test('hands over every argument, and ends as the other does', async () => {
    await using child = await start('exit', '3', 'with spaces in it')
    expect(await child.exited).toEqual({ code: 3, signal: null })
    expect(child.lines).toEqual([`given: ${join(folder, 'bin', 'apiproxy.js')} exit 3 with spaces in it`])
  })

  test('passes signals on, and waits for what follows', async () => {
    await using child = await start('wait')
    await child.waitForLine(/^ready$/)
    child.signal('SIGTERM')
    expect(await child.exited).toEqual({ code: 7, signal: null })
    expect(child.lines).toContain('stopping')
  })

  test('dies of the signal the other died of', async () => {
    await using child = await start('die')
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' })
  })

  test('says its version by itself', async () => {
    await using child = await start('--version')
    expect(await child.exited).toEqual({ code: 0, signal: null })
    expect(child.lines).toEqual([expect.stringMatching(/^apiproxy \d/)])
  })

  test('says what to do when there is no other', async () => {
    await rm(join(folder, 'node_modules'), { recursive: true })
    await using child = await start('start')
    expect(await child.exited).toEqual({ code: 64, signal: null })
    expect(child.lines.join('\n')).toMatch(
      /apiproxy needs Node 999 or later; this is [\d.]+.*\n.*npm ci --include=optional/,
    )
  })
})
