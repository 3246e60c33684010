/**
 * A slice of `npm run run:world`, in a process of its own: it loads the product more than once and takes the
 * place of the timers.
 */
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { OwnedProcess } from '../processes/owned.ts'
import { BEFORE } from './release/mixed.ts'
import { misplaced } from './release/releases.ts'
import { BUGS } from './zoo/bugs.ts'

const MAIN = new URL('main.ts', import.meta.url).pathname

async function run(...options: readonly string[]): Promise<Readonly<{ code: number | null; said: string }>> {
  await using main = await OwnedProcess.start(process.execPath, [MAIN, ...options])
  const { code } = await main.exited
  return { code, said: main.lines.join('\n') }
}

describe('a world that goes wrong', () => {
  test('breaks no invariant, whatever the seed', async () => {
    expect(existsSync(MAIN)).toBe(true)
    const { code, said } = await run('--seeds', '40')
    expect(said).toContain('40 worlds, 0 with violations')
    expect([code, said.split('\n').at(-1)]).toEqual([0, 'passed'])
  }, 300_000)

  test('breaks none while it is upgraded in any order, and the floor raised', async () => {
    const { code, said } = await run('--seeds', '25', '--mixed')
    expect(said).toContain('25 worlds, 0 with violations')
    expect([code, said.split('\n').at(-1)]).toEqual([0, 'passed'])
  }, 300_000)

  test.each([['alone'], ['mixed', '--mixed']])(
    'ends a run with exit code 1 and says how to see it again, %s',
    async (_, ...mode) => {
      const { code, said } = await run('--seeds', '40', '--bugs', 'revoked-key-served', ...mode)
      const [again] = /npm run run:world -- (.* --trace)$/m.exec(said)?.slice(1) ?? []
      expect(said).toMatch(/^FAILED: /m)
      expect(code).toBe(1)
      const one = await run(...(again ?? '').split(' '))
      expect([one.code, one.said]).toEqual([1, expect.stringMatching(/^FAILED: /m)])
    },
    300_000,
  )

  test('is the same world for the same seed', async () => {
    const first = await run('--seed', '7', '--trace')
    const again = await run('--seed', '7', '--trace')
    expect(first.said).toContain('commit 1: GenesisCreated')
    expect(again.said).toBe(first.said)
  }, 300_000)
})

describe('the zoo', () => {
  test('holds bugs that can still be planted', () => {
    expect(BUGS.flatMap(({ changes }) => misplaced(changes))).toEqual([])
    expect(misplaced(BEFORE)).toEqual([])
    expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length)
    expect(BUGS.length).toBeGreaterThanOrEqual(20)
  })

  test('is caught: each of a few bugs within a few worlds, with the line that shows it again', async () => {
    const bugs = ['no-gap-check', 'ack-before-persist', 'revoked-key-served', 'empty-table-at-boot']
    const { code, said } = await run('--zoo', '--seeds', '60', '--bugs', bugs.join(','))
    for (const name of bugs)
      expect(said).toMatch(
        new RegExp(`${name}: found in world \\d+, .*\n.* --seed \\d+ --bugs ${name} --trace`),
      )
    expect(code).toBe(0)
  }, 300_000)
})
