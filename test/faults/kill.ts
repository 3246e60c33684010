/**
 * Roles of the product as real processes that a test kills, freezes and starts again; and a seeded plan of
 * such faults, so that a run that found something can be repeated.
 */
import type { Random } from '#contracts/process/clock.ts'
import { OwnedProcess, type Exit } from '../processes/owned.ts'
import { oneOf, wholeBetween } from './dice.ts'

export type RoleOptions = Readonly<{
  /** For messages and plans. */
  name: string
  /** File that node runs. */
  main: string
  args?: readonly string[]
  /** Flags of node itself. */
  nodeFlags?: readonly string[]
  /** The whole environment of the process, beside PATH and HOME. */
  env?: Readonly<Record<string, string>>
  /** How it says that it is ready: a line of output, or an address that answers 200. */
  ready: RegExp | string
  readyWithinMs?: number
}>

/** What a plan can be carried out on: roles, and the servers of `services/`. */
export interface Killable {
  kill(signal: NodeJS.Signals): Promise<void>
  /** Returns when it is ready again. */
  restart(): Promise<void>
}

export class Role implements Killable, AsyncDisposable {
  readonly #options: RoleOptions
  readonly #past: string[] = []
  #process: OwnedProcess
  #starts = 1

  /** @returns when the process is ready. */
  static async start(options: RoleOptions): Promise<Role> {
    const role = new Role(options, await spawnRole(options))
    await role.#ready()
    return role
  }

  private constructor(options: RoleOptions, process: OwnedProcess) {
    this.#options = options
    this.#process = process
  }

  get name(): string {
    return this.#options.name
  }

  get pid(): number {
    return this.#process.pid
  }

  get running(): boolean {
    return this.#process.running
  }

  /** How often it was started. */
  get starts(): number {
    return this.#starts
  }

  /** Everything it said, over all its lives. */
  get lines(): readonly string[] {
    return [...this.#past, ...this.#process.lines]
  }

  waitForLine(pattern: RegExp, withinMs?: number): Promise<string> {
    return this.#process.waitForLine(pattern, withinMs)
  }

  /** A signal that ends the process is waited for; SIGSTOP and SIGCONT are not. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#process.signal(signal)
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await this.#process.exited
  }

  async restart(): Promise<void> {
    if (this.running) await this.kill('SIGKILL')
    this.#past.push(...this.#process.lines)
    this.#process = await spawnRole(this.#options)
    this.#starts += 1
    await this.#ready()
  }

  /** Stops it the way an operator does. @returns how it ended, for the test to judge. */
  stop(graceMs = 10_000): Promise<Exit> {
    return this.#process.stop('SIGTERM', graceMs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }

  async #ready(): Promise<void> {
    const { ready, readyWithinMs = 60_000, name } = this.#options
    if (ready instanceof RegExp) {
      await this.#process.waitForLine(ready, readyWithinMs)
      return
    }
    const giveUpAt = performance.now() + readyWithinMs
    while (!(await answers(ready))) {
      if (!this.running || performance.now() > giveUpAt) {
        throw new Error(`${name} is not ready at ${ready}:\n${this.#process.lines.slice(-30).join('\n')}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

function spawnRole({ main, args = [], nodeFlags = [], env = {} }: RoleOptions): Promise<OwnedProcess> {
  const inherited = { PATH: process.env['PATH'], HOME: process.env['HOME'] }
  return OwnedProcess.start(process.execPath, [...nodeFlags, main, ...args], {
    env: { ...inherited, ...env },
  })
}

const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
    async (answer) => {
      await answer.arrayBuffer()
      return answer.ok
    },
    () => false,
  )

export type Fault = Readonly<{
  /** After the fault before it was over. */
  afterMs: number
  target: string
  /** `kill`: SIGKILL and start again. `freeze`: SIGSTOP and SIGCONT, as a long pause of a machine. */
  action: 'kill' | 'freeze'
  /** Between losing it and having it back. */
  downMs: number
}>

export type PlanLimits = Readonly<{
  faults: number
  afterMs: readonly [number, number]
  downMs: readonly [number, number]
  actions: readonly Fault['action'][]
}>

/** Pure: the same dice make the same plan. */
export function planFaults(targets: readonly string[], limits: PlanLimits, random: Random): readonly Fault[] {
  return Array.from({ length: limits.faults }, () => ({
    afterMs: wholeBetween(random, ...limits.afterMs),
    target: oneOf(random, targets),
    action: oneOf(random, limits.actions),
    downMs: wholeBetween(random, ...limits.downMs),
  }))
}

/**
 * Carries a plan out, one fault after the other, until it is done or `signal` ends it. A fault that has
 * begun is always brought to its end, so that everything runs again afterwards.
 * @returns how many faults were carried out.
 */
export async function carryOut(
  plan: readonly Fault[],
  targets: ReadonlyMap<string, Killable>,
  signal?: AbortSignal,
): Promise<number> {
  let done = 0
  for (const fault of plan) {
    const target = targets.get(fault.target)
    if (target === undefined) throw new Error(`no target called ${fault.target}`)
    await pause(fault.afterMs, signal)
    if (signal?.aborted === true) break
    await target.kill(fault.action === 'kill' ? 'SIGKILL' : 'SIGSTOP')
    await pause(fault.downMs)
    if (fault.action === 'kill') await target.restart()
    else await target.kill('SIGCONT')
    done += 1
  }
  return done
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
    if (signal?.aborted === true) {
      clearTimeout(timer)
      resolve()
    }
  })
}
