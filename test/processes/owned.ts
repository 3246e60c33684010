/**
 * A child process that belongs to a test: its output is kept, it can be killed in every way, and it never
 * outlives the process that started it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { killWhenWeDie } from './guard.ts'

export type OwnedOptions = Readonly<{
  env?: Readonly<Record<string, string | undefined>>
  cwd?: string
  uid?: number
  gid?: number
}>

export type Exit = Readonly<{ code: number | null; signal: NodeJS.Signals | null }>

/** Longest wait for the output of a process that has ended, in milliseconds. */
const LAST_WORDS_MS = 1_000

/** Lines of output kept for error messages and assertions; older ones are forgotten. */
const KEPT_LINES = 5_000

export class OwnedProcess implements AsyncDisposable {
  readonly pid: number
  readonly exited: Promise<Exit>
  /** Standard output and standard error as they came, oldest first. */
  readonly lines: string[] = []
  readonly #child: ChildProcess
  readonly #name: string
  readonly #waiting = new Set<(line: string | null) => void>()
  #exit: Exit | null = null
  /** Nothing more will be read. */
  #closed = false

  /** @returns once the process exists; it may not be ready for anything yet. */
  static async start(
    command: string,
    args: readonly string[],
    options: OwnedOptions = {},
  ): Promise<OwnedProcess> {
    // A group of its own, so that Ctrl-C does not end servers under the tests that still stop them.
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    return new OwnedProcess(child, `${command.split('/').at(-1)} ${args[0] ?? ''}`)
  }

  private constructor(child: ChildProcess, name: string) {
    if (child.pid === undefined) throw new Error(`${name} has no process id`)
    this.pid = child.pid
    this.#child = child
    this.#name = name
    const dismiss = killWhenWeDie(child.pid)
    for (const stream of [child.stdout, child.stderr]) if (stream !== null) this.#collect(stream)
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        // At once: the process id may soon belong to somebody else.
        dismiss()
        this.#exit = { code, signal }
        // Its last words are still to be read; a child of its own that holds the pipe must not hold us.
        const timer = setTimeout(resolve, LAST_WORDS_MS, this.#exit)
        child.once('close', () => {
          clearTimeout(timer)
          resolve({ code, signal })
          this.#closed = true
          for (const wake of this.#waiting) wake(null)
        })
      })
    })
  }

  get running(): boolean {
    return this.#exit === null
  }

  /** @returns the first line that matches, among those already seen and those to come. */
  waitForLine(pattern: RegExp, withinMs = 20_000): Promise<string> {
    const seen = this.lines.find((line) => pattern.test(line))
    if (seen !== undefined) return Promise.resolve(seen)
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        act()
      }
      const fail = (why: string): void =>
        finish(() => reject(new Error(`${this.#name}: ${why}\n${this.lines.slice(-30).join('\n')}`)))
      const look = (line: string | null): void => {
        if (line === null) fail(`ended before it said ${pattern}`)
        else if (pattern.test(line)) finish(() => resolve(line))
      }
      const timer = setTimeout(() => fail(`did not say ${pattern} within ${withinMs} ms`), withinMs)
      this.#waiting.add(look)
      if (this.#closed) fail(`ended before it said ${pattern}`)
    })
  }

  /** Does not wait. @returns false when the process is gone already. */
  signal(signal: NodeJS.Signals): boolean {
    return this.running && this.#child.kill(signal)
  }

  /** Asks to stop, waits, then kills. A stopped (SIGSTOP) process is woken first: it could not hear us. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 5_000): Promise<Exit> {
    if (!this.signal(signal)) return this.exited
    this.signal('SIGCONT')
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs)
    const exit = await this.exited
    clearTimeout(timer)
    return exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
  }

  #collect(stream: Readable): void {
    createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => {
      this.lines.push(line)
      if (this.lines.length > KEPT_LINES) this.lines.shift()
      for (const look of this.#waiting) look(line)
    })
  }
}

/** @returns whether a process with this id exists (a zombie counts as gone). */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return !/\) Z /.test(stat)
}
