#!/usr/bin/env node
/**
 * `apiproxy`: starts a process of the gateway, or asks a running control plane.
 *
 * Plain JavaScript that any Node from 18 on can read. The gateway itself is TypeScript, run as it is by Node
 * 24 or later; an older Node hands everything over to the one pinned among the optional dependencies.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const MAINS = {
  start: 'control-plane/embedded/main.ts',
  'control-plane': 'control-plane/main.ts',
  'data-plane': 'data-plane/main.ts',
  prober: 'prober/main.ts',
}
const LEAST_NODE = 24
/** EX_USAGE of sysexits.h. */
const EXIT_USAGE = 64

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const [command = '', ...rest] = process.argv.slice(2)

if (['--version', '-V', 'version'].includes(command)) {
  process.stdout.write(`apiproxy ${version}\n`)
} else if (Number(process.versions.node.split('.')[0]) >= LEAST_NODE) {
  await run()
} else {
  handOver()
}

async function run() {
  const { enableCompileCache } = await import('node:module')
  // Where it cannot be written it is not used; nothing else depends on it.
  enableCompileCache(join(root, 'node_modules', '.cache', 'apiproxy'))
  if (Object.hasOwn(MAINS, command)) {
    if (rest.length === 0) await import(pathToFileURL(join(root, MAINS[command])).href)
    else fail(`apiproxy ${command} takes no arguments: it is configured by its environment`)
    return
  }
  const { runCli } = await import(pathToFileURL(join(root, 'control-plane/admin/cli.ts')).href)
  const { readFile } = await import('node:fs/promises')
  const { text } = await import('node:stream/consumers')
  // Set, not called: what was printed into a pipe must arrive before the process ends.
  process.exitCode = await runCli(process.argv.slice(2), {
    env: process.env,
    version,
    out: (output) => process.stdout.write(output),
    error: (output) => process.stderr.write(output),
    readText: (path) => readFile(path, 'utf8'),
    readInput: () => text(process.stdin),
  })
}

/** Runs the same command under the pinned Node, as if it had been this process. */
function handOver() {
  const node = pinnedNode()
  if (node === null) {
    fail(
      `apiproxy needs Node ${LEAST_NODE} or later; this is ${process.versions.node}, and the one it brings is not installed.\n` +
        'Install it with: npm ci --include=optional',
    )
    return
  }
  const forward = (signal) => {
    // A terminal sends Ctrl-C to the child as well, and a second one would mean: do not wait.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']
  // Before there is a child: once it runs nobody's signal may end this process alone.
  for (const signal of signals) process.on(signal, forward)
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  child.on('error', (error) => fail(`cannot run ${node}: ${error.message}`))
  child.on('exit', (code, signal) => {
    for (const name of signals) process.off(name, forward)
    if (signal === null) process.exitCode = code
    else process.kill(process.pid, signal)
  })
}

/** @returns its path, or null: a platform without one, or installed without optional dependencies. */
function pinnedNode() {
  try {
    const found = createRequire(import.meta.url).resolve(
      `node-${process.platform}-${process.arch}/package.json`,
    )
    const path = join(dirname(found), 'bin', 'node')
    return existsSync(path) ? path : null
  } catch {
    return null
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exitCode = EXIT_USAGE
}
