import { access, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isAlive, OwnedProcess } from './owned.ts'

const here = new URL('.', import.meta.url).pathname

async function goneWithin(ms: number, gone: () => Promise<boolean>): Promise<boolean> {
  const giveUpAt = performance.now() + ms
  while (performance.now() < giveUpAt) {
    if (await gone()) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

const isGone = (path: string): Promise<boolean> =>
  access(path).then(
    () => false,
    () => true,
  )

/** A process that starts a child which ignores every polite signal, guards a folder, and tells us both. */
const startParent = (folder: string): Promise<OwnedProcess> =>
  OwnedProcess.start(process.execPath, [
    '--input-type=module',
    '--eval',
    `import { OwnedProcess } from '${here}owned.ts'
     import { removeWhenWeDie } from '${here}guard.ts'
     removeWhenWeDie('${folder}')
     const child = await OwnedProcess.start('/bin/sh', ['-c', 'trap "" TERM INT HUP; while :; do sleep 0.05; done'])
     console.log('child ' + child.pid)
     setInterval(() => {}, 1000)`,
  ])

describe('a child process of a test', () => {
  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'dies with its parent, and so does its folder, when the parent gets %s',
    async (signal) => {
      const folder = await mkdtemp(join(tmpdir(), 'apiproxy-guard-'))
      const parent = await startParent(folder)
      const child = Number((await parent.waitForLine(/^child \d+$/)).split(' ')[1])
      expect(await isAlive(child)).toBe(true)
      await parent.stop(signal)
      expect(await goneWithin(5_000, async () => !(await isAlive(child)))).toBe(true)
      expect(await goneWithin(5_000, () => isGone(folder))).toBe(true)
    },
  )

  test('reports a line that came, and one that will never come', async () => {
    await using shell = await OwnedProcess.start('/bin/sh', ['-c', 'echo one; echo two >&2; exit 3'])
    expect(await shell.waitForLine(/o/)).toMatch(/one|two/)
    await expect(shell.waitForLine(/three/)).rejects.toThrow(/ended before it said[^]*(one|two)/)
    expect(await shell.exited).toEqual({ code: 3, signal: null })
  })

  test('is killed when it does not stop in time', async () => {
    const stubborn = await OwnedProcess.start('/bin/sh', [
      '-c',
      'trap "" TERM; echo on; while :; do sleep 0.02; done',
    ])
    await stubborn.waitForLine(/on/)
    expect(await stubborn.stop('SIGTERM', 100)).toEqual({ code: null, signal: 'SIGKILL' })
    expect(await isAlive(stubborn.pid)).toBe(false)
  })

  test('cannot be started from a program that is not there', async () => {
    await expect(OwnedProcess.start('/nowhere/program', [])).rejects.toThrow(/ENOENT/)
  })
})
