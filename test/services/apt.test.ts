import { describe, expect, test } from 'vitest'
import { installPackages, type Machine } from './apt.ts'

const POLICY = '/usr/sbin/policy-rc.d'

function machine(existing: readonly string[] = [], failing = false): { machine: Machine; log: string[] } {
  const log: string[] = []
  return {
    log,
    machine: {
      run: async (command, args) => {
        log.push(`${command} ${args.join(' ')}`)
        if (failing) throw new Error('no network')
      },
      exists: async (path) => existing.includes(path),
      write: async (path, text) => void log.push(`write ${path}: ${text.trim().split('\n').at(-1)}`),
      remove: async (path) => void log.push(`remove ${path}`),
      say: (message) => void log.push(`say ${message.split(';')[0]}`),
    },
  }
}

describe('installing servers', () => {
  test('starts nothing, makes no database of its own, and says what it does', async () => {
    const { machine: fresh, log } = machine()
    await installPackages(['postgresql', 'nats-server'], fresh)
    expect(log).toEqual([
      'say test services: installing postgresql, nats-server with apt-get',
      `write ${POLICY}: exit 101`,
      'write /etc/postgresql-common/createcluster.conf: create_main_cluster = false',
      'apt-get -o DPkg::Lock::Timeout=120 -qq update',
      'apt-get -o DPkg::Lock::Timeout=120 -qq install -y --no-install-recommends postgresql nats-server',
      `remove ${POLICY}`,
      'say test services: installed postgresql, nats-server',
    ])
  })

  test('leaves files of the machine as they are', async () => {
    const { machine: set, log } = machine([POLICY, '/etc/postgresql-common/createcluster.conf'])
    await installPackages(['postgresql'], set)
    expect(log.filter((line) => /^(write|remove)/.test(line))).toEqual([])
  })

  test('lets services start again when it fails', async () => {
    const { machine: offline, log } = machine([], true)
    await expect(installPackages(['redis-server'], offline)).rejects.toThrow('no network')
    expect(log.at(-1)).toBe(`remove ${POLICY}`)
  })
})
