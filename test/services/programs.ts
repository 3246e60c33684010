/**
 * How to run Postgres, NATS and Redis from their programs: loopback only, no configuration files, no
 * privileges, nothing left behind.
 */
import { readFile } from 'node:fs/promises'
import { OwnedProcess, type OwnedOptions } from '../processes/owned.ts'
import { findPostgresFolder, findProgram } from './find.ts'
import type { Program } from './server.ts'

export type ServiceName = 'postgres' | 'nats' | 'redis'

/** @returns how to run a service with what this machine has, or null. */
export async function localProgram(name: ServiceName): Promise<Program | null> {
  if (name === 'postgres') {
    const folder = await findPostgresFolder()
    return folder === null ? null : postgresProgram(folder, await postgresUser())
  }
  const command = await findProgram(name === 'nats' ? ['nats-server'] : ['valkey-server', 'redis-server'])
  if (command === null) return null
  return name === 'nats' ? natsProgram(command) : redisProgram(command)
}

const POSTGRES_SETTINGS = [
  'listen_addresses=127.0.0.1',
  'max_connections=200',
  'shared_buffers=32MB',
  // No fsync: a killed process loses nothing that it has written, and only power cuts lose more. What was
  // acknowledged must have been written, though, so synchronous_commit stays on.
  'fsync=off',
  'full_page_writes=off',
  'autovacuum_naptime=1d',
].flatMap((setting) => ['-c', setting])

function postgresProgram(binaries: string, user: OwnedOptions): Program {
  return {
    command: `${binaries}/postgres`,
    args: (port, folder) => ['-D', `${folder}/data`, '-p', String(port), '-k', folder, ...POSTGRES_SETTINGS],
    url: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
    ready: /database system is ready to accept connections/,
    // Fast shutdown: ends the sessions instead of waiting for them.
    stopSignal: 'SIGINT',
    prepare: async (folder, options) => {
      const args = [
        '-D',
        `${folder}/data`,
        '-U',
        'postgres',
        '-A',
        'trust',
        '-E',
        'UTF8',
        '--locale=C',
        '--no-sync',
      ]
      const initdb = await OwnedProcess.start(`${binaries}/initdb`, args, options)
      const { code } = await initdb.exited
      if (code !== 0) throw new Error(`initdb ended with ${code}:\n${initdb.lines.join('\n')}`)
    },
    options: user,
  }
}

function natsProgram(command: string): Program {
  return {
    command,
    args: (port, folder) => ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder],
    url: (port) => `nats://127.0.0.1:${port}`,
    ready: /Server is ready/,
    stopSignal: 'SIGTERM',
  }
}

function redisProgram(command: string): Program {
  return {
    command,
    // What is in it may be lost at any time, so it keeps nothing.
    args: (port, folder) =>
      `--bind 127.0.0.1 --port ${port} --dir ${folder} --appendonly no`.split(' ').concat('--save', ''),
    url: (port) => `redis://127.0.0.1:${port}`,
    ready: /Ready to accept connections/,
    stopSignal: 'SIGTERM',
  }
}

/** Postgres refuses to run as root: the user its package made, or nobody. */
async function postgresUser(): Promise<OwnedOptions> {
  if (process.getuid?.() !== 0) return {}
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (user === undefined)
    throw new Error('Postgres refuses to run as root, and there is no user to run it as')
  return { uid: Number(user[2]), gid: Number(user[3]), cwd: '/' }
}
