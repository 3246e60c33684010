/**
 * A real server under a test's control: started from a program on this machine, killed and started again on
 * the same port with the same data.
 */
import { createServer } from 'node:net'
import { chown, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeWhenWeDie } from '../processes/guard.ts'
import { OwnedProcess, type OwnedOptions } from '../processes/owned.ts'

export interface Server extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Of the process that runs now; another one after `restart`. */
  readonly pid: number
  /** Sends a signal. One that ends the server is waited for; SIGSTOP and SIGCONT are not. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts again, on the same port and data; kills first what still runs. */
  restart(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** How to run one kind of server. */
export type Program = Readonly<{
  command: string
  args: (port: number, folder: string) => readonly string[]
  url: (port: number) => string
  ready: RegExp
  stopSignal: NodeJS.Signals
  /** Makes the data folder, once. */
  prepare?: (folder: string, options: OwnedOptions) => Promise<void>
  options?: OwnedOptions
}>

export type ServerPlace = Readonly<{
  /** Absent: a free one. */
  port?: number
  /** Data folder; it is then left in place by `stop`. Absent: a new one. */
  folder?: string
}>

export async function startServer(program: Program, place: ServerPlace = {}): Promise<Server> {
  const options = program.options ?? {}
  const folder = place.folder ?? (await mkdtemp(join(tmpdir(), 'apiproxy-test-')))
  const dismiss = place.folder === undefined ? removeWhenWeDie(folder) : () => undefined
  if (options.uid !== undefined) await chown(folder, options.uid, options.gid ?? options.uid)
  await program.prepare?.(folder, options)
  const port = place.port ?? (await freePort())

  const begin = async (): Promise<OwnedProcess> => {
    const started = await OwnedProcess.start(program.command, program.args(port, folder), options)
    await started.waitForLine(program.ready)
    return started
  }
  const server = new ProgramServer(await begin(), begin, program, port, async () => {
    if (place.folder === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    dismiss()
  })
  return server
}

class ProgramServer implements Server {
  readonly url: string
  readonly port: number
  readonly #begin: () => Promise<OwnedProcess>
  readonly #stopSignal: NodeJS.Signals
  readonly #removeData: () => Promise<void>
  #process: OwnedProcess

  constructor(
    process: OwnedProcess,
    begin: () => Promise<OwnedProcess>,
    program: Program,
    port: number,
    removeData: () => Promise<void>,
  ) {
    this.url = program.url(port)
    this.port = port
    this.#begin = begin
    this.#stopSignal = program.stopSignal
    this.#removeData = removeData
    this.#process = process
  }

  get pid(): number {
    return this.#process.pid
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (signal === 'SIGKILL') {
      // Postgres works in children that lead groups of their own and would finish what they are doing.
      for (const child of await childrenOf(this.pid)) tryKill(child)
    }
    this.#process.signal(signal)
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await this.#process.exited
  }

  async restart(): Promise<void> {
    if (this.#process.running) await this.kill('SIGKILL')
    this.#process = await this.#begin()
  }

  async stop(): Promise<void> {
    await this.#process.stop(this.#stopSignal)
    await this.#removeData()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/**
 * A port nobody listens on, below the range the kernel takes client ports from: a client that retries
 * against a killed server on such a port would sooner or later connect to itself and keep the port.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (await canListen(port)) return port
  }
  throw new Error('no free port between 20000 and 32000')
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

async function childrenOf(parent: number): Promise<readonly number[]> {
  const children: number[] = []
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    // The second field is the program's name in brackets, which may hold anything.
    const [, parentText] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(parentText) === parent) children.push(Number(name))
  }
  return children
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Ended by itself meanwhile.
  }
}
