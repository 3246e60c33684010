import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isAlive } from '../processes/owned.ts'
import { freePort } from '../services/server.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { carryOut, planFaults, Role, type Killable } from './kill.ts'

/** Says when it is ready, counts aloud, and answers on a port when told to. */
const MAIN = `
import { createServer } from 'node:http'
process.on('SIGTERM', () => { console.log('goodbye'); process.exit(0) })
const server = createServer((request, response) => response.writeHead(process.env.SICK === '1' ? 503 : 200).end())
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log('ready'))
let count = 0
setInterval(() => console.log('tick ' + (count += 1) + ' ' + process.env.WORD), 5)
`

describe('a role process', () => {
  let folder: string
  let main: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'apiproxy-kill-'))
    main = join(folder, 'main.mjs')
    await writeFile(main, MAIN)
  })

  afterAll(() => rm(folder, { recursive: true }))

  const options = (env: Record<string, string> = {}) => ({ name: 'counter', main, env, ready: /^ready$/ })

  test('is ready when it says so, and has only the environment it was given', async () => {
    await using role = await Role.start(options({ WORD: 'hello' }))
    expect(role.lines).toContain('ready')
    await role.waitForLine(/tick 1 hello/)
  })

  test('is ready when its address answers', async () => {
    await using first = await Role.start(options({ PORT: '0' }))
    expect(first.running).toBe(true)
    const port = String(await freePort())
    await using role = await Role.start({
      ...options({ PORT: port }),
      ready: `http://127.0.0.1:${port}/readyz`,
    })
    expect(role.running).toBe(true)
  })

  test('is not ready while its address answers 503, and says what it printed', async () => {
    const port = String(await freePort())
    const starting = Role.start({
      ...options({ PORT: port, SICK: '1', WORD: 'sick' }),
      ready: `http://127.0.0.1:${port}/readyz`,
      readyWithinMs: 400,
    })
    await expect(starting).rejects.toThrow(/counter is not ready[^]*tick \d+ sick/)
  })

  test('is killed and started again, and keeps what it had said', async () => {
    await using role = await Role.start(options({ WORD: 'again' }))
    const before = role.pid
    await role.waitForLine(/tick 3/)
    await role.kill()
    expect(await isAlive(before)).toBe(false)
    await role.restart()
    await role.waitForLine(/tick 1 /)
    expect(role.pid).not.toBe(before)
    expect(role.starts).toBe(2)
    expect(role.lines.filter((line) => line.startsWith('tick 1 '))).toHaveLength(2)
  })

  test('freezes and goes on', async () => {
    await using role = await Role.start(options())
    await role.waitForLine(/tick/)
    await role.kill('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, 50))
    const frozen = role.lines.length
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(role.lines.length).toBe(frozen)
    await role.kill('SIGCONT')
    await role.waitForLine(new RegExp(`tick ${frozen + 1} `))
  })

  test('stops cleanly when asked, even out of a freeze', async () => {
    await using role = await Role.start(options())
    await role.kill('SIGSTOP')
    expect(await role.stop()).toEqual({ code: 0, signal: null })
    expect(role.lines.at(-1)).toBe('goodbye')
  })
})

describe('a plan of faults', () => {
  const limits = { faults: 50, afterMs: [1, 9], downMs: [2, 5], actions: ['kill', 'freeze'] } as const

  test('is the same for the same seed, and another for another', () => {
    const plan = (seed: number) => planFaults(['a', 'b'], limits, diceOf(seed))
    expect(plan(3)).toEqual(plan(3))
    expect(plan(3)).not.toEqual(plan(4))
  })

  test('uses every target and action, within its limits', () => {
    const plan = planFaults(['a', 'b'], limits, diceOf(5))
    expect(new Set(plan.map(({ target }) => target))).toEqual(new Set(['a', 'b']))
    expect(new Set(plan.map(({ action }) => action))).toEqual(new Set(['kill', 'freeze']))
    expect(
      plan.every(({ afterMs, downMs }) => afterMs >= 1 && afterMs <= 9 && downMs >= 2 && downMs <= 5),
    ).toBe(true)
  })

  /** Writes down what is done to it. */
  const recorder = (log: string[], name: string): Killable => ({
    kill: async (signal) => {
      log.push(`${name} ${signal}`)
    },
    restart: async () => {
      log.push(`${name} restart`)
    },
  })

  test('is carried out in order, and what it took down is up again', async () => {
    const log: string[] = []
    const targets = new Map([
      ['a', recorder(log, 'a')],
      ['b', recorder(log, 'b')],
    ])
    const done = await carryOut(
      [
        { afterMs: 1, target: 'a', action: 'kill', downMs: 1 },
        { afterMs: 1, target: 'b', action: 'freeze', downMs: 1 },
      ],
      targets,
    )
    expect(done).toBe(2)
    expect(log).toEqual(['a SIGKILL', 'a restart', 'b SIGSTOP', 'b SIGCONT'])
  })

  test('ends early when told to, with nothing left down', async () => {
    const log: string[] = []
    const stop = new AbortController()
    const killing = carryOut(
      [
        { afterMs: 0, target: 'a', action: 'kill', downMs: 30 },
        { afterMs: 60_000, target: 'a', action: 'kill', downMs: 0 },
      ],
      new Map([['a', recorder(log, 'a')]]),
      stop.signal,
    )
    setTimeout(() => stop.abort(), 10)
    expect(await killing).toBe(1)
    expect(log).toEqual(['a SIGKILL', 'a restart'])
  })
})
