/**
 * Installs missing servers with apt-get: only as root, only when nothing else was found, and never started
 * as services of the machine.
 */
import { access, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { OwnedProcess } from '../processes/owned.ts'
import { findProgram } from './find.ts'
import type { ServiceName } from './programs.ts'

export const PACKAGES: Readonly<Record<ServiceName, string>> = {
  postgres: 'postgresql',
  nats: 'nats-server',
  redis: 'redis-server',
}

/** What installing does to the machine; tests pass their own. */
export type Machine = Readonly<{
  run: (command: string, args: readonly string[]) => Promise<void>
  exists: (path: string) => Promise<boolean>
  write: (path: string, text: string, mode: number) => Promise<void>
  remove: (path: string) => Promise<void>
  say: (message: string) => void
}>

/** Debian asks this program whether a service may start; 101 means no. */
const POLICY = '/usr/sbin/policy-rc.d'
/** Keeps the Postgres package from making and starting a database of its own. */
const CLUSTER = '/etc/postgresql-common/createcluster.conf'

export const canInstall = async (): Promise<boolean> =>
  process.getuid?.() === 0 && (await findProgram(['apt-get'])) !== null

export async function installPackages(
  packages: readonly string[],
  machine: Machine = thisMachine,
): Promise<void> {
  const madePolicy = !(await machine.exists(POLICY))
  machine.say(
    `test services: installing ${packages.join(', ')} with apt-get; their services will not be started`,
  )
  if (madePolicy) await machine.write(POLICY, '#!/bin/sh\nexit 101\n', 0o755)
  if (packages.includes(PACKAGES.postgres) && !(await machine.exists(CLUSTER))) {
    await machine.write(CLUSTER, 'create_main_cluster = false\n', 0o644)
  }
  try {
    // Another run may be installing: wait for it.
    const wait = ['-o', 'DPkg::Lock::Timeout=120', '-qq']
    await machine.run('apt-get', [...wait, 'update'])
    await machine.run('apt-get', [...wait, 'install', '-y', '--no-install-recommends', ...packages])
  } finally {
    if (madePolicy) await machine.remove(POLICY)
  }
  machine.say(`test services: installed ${packages.join(', ')}`)
}

const thisMachine: Machine = {
  run: async (command, args) => {
    const running = await OwnedProcess.start(command, args, {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
    const { code } = await running.exited
    if (code !== 0)
      throw new Error(
        `${command} ${args.join(' ')} ended with ${code}:\n${running.lines.slice(-20).join('\n')}`,
      )
  },
  exists: (path) =>
    access(path).then(
      () => true,
      () => false,
    ),
  write: async (path, text, mode) => {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, { mode })
  },
  remove: (path) => rm(path, { force: true }),
  say: (message) => {
    process.stderr.write(`${message}\n`)
  },
}
