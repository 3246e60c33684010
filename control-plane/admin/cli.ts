/**
 * The command line: every procedure of the admin router is a command, its input are the options.
 *
 * Made from the router and carried out by a control plane somewhere else. Called by `bin/apiproxy.js`.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { getUntypedClient } from '@trpc/client'
import { createCli, FailedToExitError } from 'trpc-cli'
import { withSecretFiles } from '#contracts/process/env-files.ts'
import { EXIT_CONFIG, type Env } from '#contracts/process/env.ts'
import type { Issue } from '../commands/rejection.ts'
import { createAdminClient, failureOf } from './client.ts'
import { GLOBAL_HELP, readGlobalOptions, type GlobalOptions } from './cli/arguments.ts'
import { adminCommands, commandRouter, inputAlone, type Command } from './cli/commands.ts'
import { verifyFile, writeExport } from './cli/log-file.ts'
import { inputOf, missingValues } from './cli/flags.ts'
import { render, renderWatched } from './cli/output.ts'
import { whatIfText, type WhatIfShown } from './cli/what-if-text.ts'

export type CliPorts = Readonly<{
  env: Env
  version: string
  out: (text: string) => void
  error: (text: string) => void
  /** Rejects when there is no such file. */
  readText: (path: string) => Promise<string>
  /** All of standard input. */
  readInput: () => Promise<string>
}>

const DEFAULT_URL = 'http://127.0.0.1:8090'
const DEFAULT_DATA_DIR = '.apiproxy'
const EXIT_FAILED = 1

const ABOUT = `One API in front of many model providers.

Processes:
  apiproxy start           everything in one process, nothing else needed
  apiproxy control-plane   needs DATABASE_URL, NATS_URL, APIPROXY_MASTER_KEY, APIPROXY_ADMIN_TOKEN
  apiproxy data-plane      a node; serves from its own disk when all else is away
  apiproxy prober          needs NATS_URL, APIPROXY_MASTER_KEY

The commands below ask a running control plane.`

/** The command line is not understood: one line for each reason. */
class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** @returns the exit status. */
export async function runCli(argv: readonly string[], ports: CliPorts): Promise<number> {
  const options = readGlobalOptions(argv)
  if (!options.ok) {
    ports.error(`${options.error}\n`)
    return EXIT_CONFIG
  }
  return new Run(options.value, ports).finish()
}

/** One command from its words to its exit status. */
class Run {
  readonly #options: GlobalOptions
  readonly #ports: CliPorts
  /** What the parser said on the error channel: problems, each followed by the whole help. */
  readonly #complaints: string[] = []
  #exit: number | null = null

  constructor(options: GlobalOptions, ports: CliPorts) {
    this.#options = options
    this.#ports = ports
  }

  async finish(): Promise<number> {
    const { rest, input } = this.#options
    const commands = adminCommands().map((command) =>
      input === null ? command : { ...command, flags: inputAlone },
    )
    const cli = createCli({
      router: commandRouter(commands, (command, options) => this.#carryOut(command, options)),
      name: 'apiproxy',
      version: this.#ports.version,
      description: ABOUT,
    })
    const output = {
      info: (text: unknown) => this.#help(String(text)),
      error: (text: unknown) => this.#complain(String(text)),
    }
    const params = {
      argv: rest.length === 0 ? ['--help'] : [...rest],
      prompts: false,
      logger: output,
      formatError: (error: unknown) => this.#fail(error),
      process: { exit },
    }
    const program = cli.buildProgram(params)
    tame(program, output)
    try {
      await cli.run(params, program)
      return EXIT_FAILED
    } catch (error) {
      if (!(error instanceof FailedToExitError)) throw error
      return this.#exitStatus(error.exitCode)
    }
  }

  async #carryOut(command: Command, options: unknown): Promise<void> {
    const input = await this.#input(command, options)
    const issues = command.issues(input)
    if (issues.length > 0) throw new UsageError(lines(issues))
    const { path, isChange } = command
    if (path === 'audit.verify' && input['file'] !== undefined) return this.#verify(input)
    const client = getUntypedClient(createAdminClient(await this.#place()))
    if (command.isWatch) return this.#watch(client, path, input)
    if (path === 'audit.export' && !this.#options.json) {
      await writeExport((asked) => client.query(path, asked), input, this.#ports.out)
      this.#exit = 0
      return
    }
    const answer = isChange ? await this.#change(client, path, input) : await client.query(path, input)
    this.#ports.out(
      this.#options.json
        ? `${JSON.stringify(answer, null, 2)}\n`
        : (wholeText(path, answer) ?? render(path, answer)),
    )
    this.#exit = isNegative(answer) ? EXIT_FAILED : 0
  }

  /** Checks an export where it lies: no control plane is asked, so none has to be trusted. */
  async #verify({ file, publicKey, checkpoint }: Input): Promise<void> {
    if (typeof publicKey !== 'string') throw new UsageError('publicKey: is needed with --file')
    const text = await this.#text(`@${String(file)}`)
    const statements = typeof checkpoint === 'string' ? await this.#text(checkpoint) : null
    const check = verifyFile(text, await this.#text(publicKey), statements)
    if ('problem' in check) throw new UsageError(check.problem)
    this.#ports.out(
      this.#options.json ? `${JSON.stringify(check, null, 2)}\n` : render('audit.verify', check),
    )
    this.#exit = check.ok ? 0 : EXIT_FAILED
  }

  /** A line for each thing that is told, until the control plane ends it or somebody ends us. */
  async #watch(client: UntypedClient, path: string, input: Input): Promise<void> {
    const { json } = this.#options
    await new Promise<void>((resolve, reject) => {
      client.subscription(path, input, {
        onData: (answer: unknown) =>
          this.#ports.out(json ? `${JSON.stringify(answer)}\n` : renderWatched(answer)),
        onError: reject,
        onComplete: resolve,
      })
    })
    this.#exit = 0
  }

  async #change(client: UntypedClient, path: string, input: Input): Promise<unknown> {
    const commandId = typeof input['commandId'] === 'string' ? input['commandId'] : randomUUID()
    try {
      return await client.mutation(path, { ...input, commandId })
    } catch (error) {
      // Without an answer nobody knows what became of it; the id is how to find out.
      const { code } = failureOf(error)
      if (code === null || code === 'SERVICE_UNAVAILABLE') {
        this.#ports.error(`to repeat this change safely, add: --command-id ${commandId}\n`)
      }
      throw error
    }
  }

  async #input({ flags }: Command, options: unknown): Promise<Input> {
    const { input } = this.#options
    if (input !== null) return readJson(await this.#text(input))
    const given = isRecord(options) ? { ...options } : {}
    const missing = missingValues(given, flags)
    if (missing.length > 0) throw new UsageError(lines(missing))
    for (const name of flags.secrets) {
      const value = given[name]
      if (typeof value === 'string') given[name] = (await this.#text(value)).trim()
    }
    return inputOf(given, flags)
  }

  /** `@file`, `-` for standard input, or the text itself. */
  async #text(given: string): Promise<string> {
    if (given === '-') return this.#ports.readInput()
    if (!given.startsWith('@')) return given
    const path = given.slice(1)
    try {
      return await this.#ports.readText(path)
    } catch {
      throw new UsageError(`cannot read ${path}`)
    }
  }

  async #place(): Promise<Readonly<{ url: string; token: string }>> {
    const { env, readText } = this.#ports
    const url = this.#options.url ?? (env['APIPROXY_ADMIN_URL'] || DEFAULT_URL)
    if (!URL.canParse(url)) throw new UsageError(`${url} is not a URL`)
    // Only this one: beside a control plane there are files that are none of the command line's business.
    const { APIPROXY_ADMIN_TOKEN, APIPROXY_ADMIN_TOKEN_FILE } = env
    const given = await withSecretFiles({ APIPROXY_ADMIN_TOKEN, APIPROXY_ADMIN_TOKEN_FILE }, readText)
    if (!given.ok) throw new UsageError(given.error.join('\n'))
    const token = given.value['APIPROXY_ADMIN_TOKEN'] ?? ''
    if (token !== '') return { url, token }
    const path = join(env['APIPROXY_DATA_DIR'] || DEFAULT_DATA_DIR, 'admin-token')
    try {
      return { url, token: (await readText(path)).trim() }
    } catch {
      throw new UsageError(`no admin token: set APIPROXY_ADMIN_TOKEN, or run where ${path} is`)
    }
  }

  #help(text: string): void {
    this.#ports.out(text.startsWith('Usage:') ? `${text}${GLOBAL_HELP}` : text)
  }

  #complain(text: string): void {
    this.#complaints.push(text)
  }

  /** One line for each problem. */
  #fail(error: unknown): string {
    if (error instanceof UsageError) {
      this.#exit = EXIT_CONFIG
      return error.message
    }
    const { code, message, issues } = failureOf(error)
    this.#exit = code === 'BAD_REQUEST' ? EXIT_CONFIG : EXIT_FAILED
    if (issues.length > 0) return lines(issues)
    return code === null ? `the control plane cannot be asked: ${message}` : message
  }

  #exitStatus(code: number): number {
    // The parser adds the whole help to each of its complaints; the complaint is what matters.
    const problems = this.#complaints.filter((text) => text.startsWith('error: '))
    for (const text of problems.length > 0 && this.#exit === null ? problems : this.#complaints) {
      this.#ports.error(`${text.replace(/^error: /, '').trimEnd()}\n`)
    }
    return this.#exit ?? (code === 0 ? 0 : EXIT_CONFIG)
  }
}

/** The parser ends a run by throwing this. */
function exit(code: number): never {
  throw new FailedToExitError('exit', { exitCode: code, cause: undefined })
}

type Output = Readonly<{ info: (text: string) => void; error: (text: string) => void }>
type Parser = Readonly<{
  commands: readonly unknown[]
  exitOverride: (onExit: (reason: Readonly<{ exitCode: number }>) => never) => unknown
  configureOutput: (
    output: Readonly<{ writeOut: (text: string) => void; writeErr: (text: string) => void }>,
  ) => unknown
}>

/** Nouns would print and end the process by themselves: the library only holds its verbs back from that. */
function tame(command: unknown, output: Output): void {
  if (!isParser(command)) return
  command.exitOverride(({ exitCode }) => exit(exitCode))
  command.configureOutput({ writeOut: output.info, writeErr: output.error })
  for (const below of command.commands) tame(below, output)
}

const isParser = (value: unknown): value is Parser =>
  isRecord(value) && Array.isArray(value['commands']) && typeof value['exitOverride'] === 'function'

type UntypedClient = ReturnType<typeof getUntypedClient>
type Input = Readonly<Record<string, unknown>>

const lines = (issues: readonly Issue[]): string =>
  issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('\n')

function readJson(text: string): Input {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's message would quote the text, which may hold a secret.
    throw new UsageError('--input is not JSON')
  }
  if (!isRecord(value)) throw new UsageError('--input is not a JSON object')
  return value
}

/** An answer that is a file, or has a text of its own. */
function wholeText(path: string, answer: unknown): string | null {
  if (path === 'config.export' && isRecord(answer) && typeof answer['yaml'] === 'string')
    return answer['yaml']
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- answered by the router's own procedure
  return path === 'config.whatIf' ? whatIfText(answer as WhatIfShown) : null
}

/** Answers that say no: scripts look at the exit status. */
const isNegative = (answer: unknown): boolean =>
  isRecord(answer) && (answer['ok'] === false || answer['served'] === false)

const isRecord = (value: unknown): value is Input =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
