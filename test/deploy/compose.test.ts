/**
 * No Docker engine is needed to see that the compose file says what the processes understand.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withSecretFiles } from '#contracts/process/env-files.ts'
import type { Env } from '#contracts/process/env.ts'
import { startOpsServer } from '#contracts/process/health.ts'
import { Metrics } from '#contracts/process/metrics.ts'
import { readEnvironment } from '#control-plane/bootstrap/environment.ts'
import { readControlPlaneConfig, type ControlPlaneEnvironment } from '#control-plane/config.ts'
import { readDataPlaneConfig, type DataPlaneEnvironment } from '#data-plane/config.ts'
import { readProberConfig, type ProberEnvironment } from '#prober/config.ts'
import { mountsOf, processesOf, readCompose, setting, type Service } from './compose.ts'
import { MAINS, read } from './repository.ts'
import { makeSecrets } from './secrets.ts'

const compose = readCompose()
const services = Object.entries(compose.services)
const processes = processesOf(compose)
const nodes = [...processes].filter(([, command]) => command === 'data-plane').map(([name]) => name)
const service = (name: string): Service => compose.services[name]!
/** What of a service was set here; the rest is passed on from whoever starts it. */
const isSet = (entry: readonly [string, string | null]): entry is [string, string] => entry[1] !== null

let folder: string
let dataPlane: DataPlaneEnvironment
let controlPlane: ControlPlaneEnvironment
let prober: ProberEnvironment
/** Complete environment of each process, with the secrets in it. */
const environments = new Map<string, Env>()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'apiproxy-test-'))
  const readText = await makeSecrets(compose, folder)
  for (const name of processes.keys()) {
    const given = Object.fromEntries(Object.entries(service(name).environment).filter(isSet))
    const env = await withSecretFiles(given, readText)
    if (!env.ok) throw new Error(`${name}: ${env.error.join()}`)
    environments.set(name, env.value)
  }
  const value = <Value>(
    config: { ok: true; value: Value } | { ok: false; error: readonly string[] },
  ): Value => {
    if (!config.ok) throw new Error(config.error.join('\n'))
    return config.value
  }
  dataPlane = value(readDataPlaneConfig(environments.get('data-1')!))
  value(readDataPlaneConfig(environments.get('data-2')!))
  controlPlane = value(readControlPlaneConfig(environments.get('control-plane')!))
  prober = value(readProberConfig(environments.get('prober')!))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('images', () => {
  test('are official, with a version', () => {
    const images = new Set(
      services.filter(([, { build }]) => build === undefined).map(([, { image }]) => image),
    )
    expect([...images].toSorted()).toEqual([
      'nats:2.12-alpine',
      'nginx:1.30-alpine',
      'postgres:17-alpine',
      'valkey/valkey:8.1-alpine',
    ])
  })

  test('of NATS and Valkey are those that the tests run on where there is Docker', () => {
    const tested = read('test/services/docker.ts')
    for (const name of ['nats', 'valkey']) expect(tested).toContain(`'${service(name).image}'`)
  })

  test('of our own are built here, once for all', () => {
    const built = services.filter(([, { build }]) => build !== undefined)
    expect(new Set(built.map(([, { image }]) => image))).toEqual(new Set(['apiproxy:local']))
  })
})

describe('processes', () => {
  test('are started by commands that exist', () => {
    for (const [name, command] of processes) expect(MAINS.has(command), name).toBe(true)
    expect(new Set(processes.values())).toEqual(new Set(['control-plane', 'data-plane', 'prober']))
    expect(nodes.length).toBeGreaterThan(1)
  })

  test('know every variable they are given', async () => {
    const sources: Readonly<Record<string, readonly string[]>> = {
      'control-plane': [
        'control-plane/config.ts',
        'control-plane/bootstrap/environment.ts',
        'contracts/process/env-files.ts',
      ],
      'data-plane': ['data-plane/config.ts'],
      prober: ['prober/config.ts'],
    }
    for (const [name, command] of processes) {
      const text = sources[command]!.map(read).join('\n')
      for (const variable of Object.keys(service(name).environment)) {
        const known = variable.replace(/_FILE$/, '')
        expect(text, `${name} does not know ${variable}`).toMatch(new RegExp(`\\b${known}\\b`))
        if (known === variable) continue
        const filled = await withSecretFiles({ [variable]: '/any' }, async () => 'text')
        expect(filled, variable).toEqual({ ok: true, value: { [known]: 'text' } })
      }
    }
  })

  test('share one master key, and the admin token is long enough', () => {
    const checks = [dataPlane, controlPlane, prober].map(({ masterKey }) => masterKey.check)
    expect(new Set(checks).size).toBe(1)
    expect(controlPlane.adminToken.reveal()).toMatch(/^ap-admin-[\w-]{43}$/)
    expect(environments.get('control-plane')!['APIPROXY_AUTH_TOKEN']).toMatch(/^sk-ap-[\w-]{43}$/)
  })

  test('run without privileges, on a disk they cannot write to', () => {
    for (const [name, { build, cap_drop, security_opt, read_only, user }] of services) {
      expect(security_opt, name).toContain('no-new-privileges:true')
      if (build !== undefined) expect([cap_drop, read_only, user], name).toEqual([['ALL'], true, undefined])
    }
  })

  test('may finish what they are doing before they are killed', () => {
    for (const name of processes.keys()) expect(service(name).stop_grace_period).toBe('30s')
    expect(dataPlane.drainMs).toBeLessThan(30_000)
  })
})

describe('secrets', () => {
  test('are made once and found again', async () => {
    const texts = async (): Promise<readonly string[]> => {
      const readText = await makeSecrets(compose, folder)
      return Promise.all(
        ['/secrets/master-key', '/secrets/admin-token', '/secrets/auth-token', '/secrets/database-url'].map(
          readText,
        ),
      )
    }
    const first = await texts()
    expect(await texts()).toEqual(first)
    expect(new Set(first).size).toBe(first.length)
  })

  test('can be read by their owner alone, but for the password the database reads', async () => {
    const mode = async (path: string): Promise<number> => (await stat(join(folder, path))).mode & 0o777
    for (const name of ['master-key', 'admin-token', 'auth-token', 'database-url']) {
      expect(await mode(`secrets/${name}`), name).toBe(0o600)
    }
    expect(await mode('database/password')).toBe(0o444)
  })

  test('of ours are in no container of others', () => {
    for (const [name, one] of services) {
      const volumes = mountsOf(one).map(({ volume }) => volume)
      if (one.build === undefined) expect(volumes, name).not.toContain('secrets')
    }
    expect(mountsOf(service('postgres'))).toContainEqual({
      volume: 'database-password',
      path: '/database',
      writable: false,
    })
  })

  test('are in no file of the repository', () => {
    for (const [name, { environment }] of services) {
      for (const [variable, value] of Object.entries(environment).filter(isSet)) {
        const isSecret = /KEY|TOKEN|PASSWORD/.test(variable)
        expect(isSecret && !variable.endsWith('_FILE'), `${name}: ${variable}`).toBe(false)
        expect(value, variable).not.toMatch(/:\/\/[^/]*@/)
      }
    }
  })
})

describe('ports', () => {
  test('that are published are the gateway’s for all and the admin’s for this machine', () => {
    const published = services.flatMap(([name, { ports }]) => ports.map((port) => `${name} ${port}`))
    expect(published).toEqual(['gateway 8080:8080', 'control-plane 127.0.0.1:8090:8090'])
    expect(controlPlane).toMatchObject({ host: '0.0.0.0', port: 8090 })
    expect(setting(compose.configs['gateway.conf']!.content, 'listen')).toBe('8080')
  })

  test('of the gateway is where the console sends people, unless it is told otherwise', () => {
    const [published = ''] = service('gateway').ports
    const { gatewayUrl } = controlPlane
    expect(gatewayUrl).toBe(`http://127.0.0.1:${published.split(':')[0]}`)
    expect(compose.defaults).toEqual(new Map([['APIPROXY_GATEWAY_URL', gatewayUrl]]))
    expect(read('.env.example')).toContain(`${gatewayUrl} when empty`)
  })

  test('are where the health checks look, and what they ask for is there', async () => {
    await using ops = await startOpsServer('127.0.0.1', 0, {
      readiness: () => ({ ready: true }),
      metrics: new Metrics(),
    })
    const expected = new Map<string, number>([
      ['data-plane', dataPlane.opsPort],
      ['control-plane', controlPlane.port],
      ['prober', prober.port],
    ])
    for (const [name, command] of processes) {
      const check = service(name).healthcheck!.test
      const [, port, path = ''] = /http:\/\/127\.0\.0\.1:(\d+)(\/\w+)/.exec(check.at(-1) ?? '') ?? []
      expect(Number(port), name).toBe(expected.get(command))
      expect((await fetch(`http://127.0.0.1:${ops.port}${path}`)).status, name).toBe(200)
    }
  })

  test('every server has a health check, and every other service waits only for those that have one', () => {
    for (const [name, { healthcheck, depends_on }] of services) {
      expect(healthcheck === undefined, name).toBe(name === 'secrets')
      for (const [other, { condition }] of Object.entries(depends_on)) {
        expect(condition, `${name} waits for ${other}`).toBe(
          other === 'secrets' ? 'service_completed_successfully' : 'service_healthy',
        )
        expect(Object.keys(compose.services)).toContain(other)
      }
    }
  })

  test('a node waits for nothing but its secrets: it boots from its own disk', () => {
    for (const name of nodes) expect(Object.keys(service(name).depends_on)).toEqual(['secrets'])
  })
})

describe('addresses', () => {
  const PORTS: Readonly<Record<string, string>> = {
    postgres: '5432',
    nats: '4222',
    valkey: '6379',
    'control-plane': '8090',
  }
  const share = (one: string, other: string): boolean =>
    service(one).networks.some((network) => service(other).networks.includes(network))

  test('name services, on their ports, on a network that both are on', () => {
    for (const [name, env] of environments) {
      for (const [variable, text = ''] of Object.entries(env)) {
        // For people, from outside; that one is compared with what is published.
        if (!variable.endsWith('_URL') || variable === 'APIPROXY_GATEWAY_URL') continue
        const { hostname, port } = new URL(text)
        expect(PORTS[hostname], `${name}: ${variable}`).toBe(port)
        expect(share(name, hostname), `${name} reaches ${hostname}`).toBe(true)
      }
    }
  })

  test('of the database say what the database was made with', () => {
    const { username, pathname } = new URL(controlPlane.databaseUrl)
    expect(service('postgres').environment).toMatchObject({
      POSTGRES_USER: username,
      POSTGRES_DB: pathname.slice(1),
    })
  })

  test('of the stores cannot be reached from outside, nor the database from a node', () => {
    const { stores, database } = compose.networks
    expect([stores, database]).toEqual([{ internal: true }, { internal: true }])
    for (const name of ['postgres', 'nats', 'valkey']) expect(service(name).networks).not.toContain('default')
    const near = services.filter(([, { networks }]) => networks.includes('database')).map(([name]) => name)
    expect(near).toEqual(['control-plane', 'postgres'])
  })

  test('of networks that are used are declared', () => {
    for (const [, { networks }] of services)
      expect(Object.keys(compose.networks)).toEqual(expect.arrayContaining(networks))
  })
})

describe('volumes', () => {
  test('are named, declared and used', () => {
    const used = new Set(services.flatMap(([, one]) => mountsOf(one).map(({ volume }) => volume)))
    expect([...used].toSorted()).toEqual(Object.keys(compose.volumes).toSorted())
  })

  test('keep a node’s own copy where the image puts it, each node’s apart', () => {
    const [, dataDir] = /APIPROXY_DATA_DIR=(\S+)/.exec(read('Dockerfile')) ?? []
    const copies = nodes.map((name) => mountsOf(service(name)).find(({ path }) => path === dataDir))
    expect(copies.every((mount) => mount?.writable === true)).toBe(true)
    expect(new Set(copies.map((mount) => mount?.volume)).size).toBe(nodes.length)
  })

  test('lie where the stores write', () => {
    const place = (name: string): readonly string[] => mountsOf(service(name)).map(({ path }) => path)
    expect(place('postgres')).toContain('/var/lib/postgresql/data')
    expect(place('nats')).toEqual([setting(compose.configs['bus.conf']!.content, 'store_dir')])
  })
})

describe('inline files', () => {
  test('are given out, to containers that Compose can put them into, readable by whoever runs there', () => {
    const given = services.flatMap(([name, { configs, read_only }]) =>
      configs.map((config) => ({ name, read_only, ...config })),
    )
    expect(given.map(({ source }) => source).toSorted()).toEqual(Object.keys(compose.configs).toSorted())
    for (const { name, read_only, mode, target } of given) {
      expect([read_only, mode], name).toEqual([false, 0o444])
      expect([...(service(name).entrypoint ?? []), ...service(name).command]).toContain(target)
    }
  })

  test('of the bus say that what is acknowledged is on disk, and where its health is told', () => {
    const { content } = compose.configs['bus.conf']!
    expect(setting(content, 'sync_interval')).toBe('always')
    expect(service('nats').healthcheck!.test.at(-1)).toBe(
      `http://127.0.0.1:${setting(content, 'http')}/healthz`,
    )
  })
})

describe('the gateway', () => {
  const conf = compose.configs['gateway.conf']!.content
  const upstream = (name: string): readonly string[] =>
    [
      ...(new RegExp(`upstream ${name} \\{([^}]*)\\}`).exec(conf)?.[1] ?? '').matchAll(
        /server (\S+) resolve/g,
      ),
    ].map(([, server = '']) => server)

  test('has every node behind it, and their health', () => {
    expect(upstream('nodes')).toEqual(nodes.map((name) => `${name}:${dataPlane.port}`))
    expect(upstream('operators')).toEqual(nodes.map((name) => `${name}:${dataPlane.opsPort}`))
    for (const name of nodes) expect(service(name).networks).toContain('default')
  })

  test('lets streams through as they come and gives the nodes their time', () => {
    expect(setting(conf, 'proxy_buffering')).toBe('off')
    expect(Number.parseInt(setting(conf, 'proxy_read_timeout'), 10) * 1_000).toBeGreaterThan(
      dataPlane.requestTimeoutMs,
    )
  })

  test('takes the bodies that the nodes take', () => {
    expect(setting(conf, 'client_max_body_size')).toBe(`${dataPlane.bodyLimit / 1024 / 1024}m`)
  })

  test('answers by itself in OpenAI’s form, with codes of the catalogue', () => {
    const bodies = [...conf.matchAll(/return \d+ '(.+)';/g)].map(
      ([, body = '']) => JSON.parse(body) as object,
    )
    expect(bodies).toMatchObject([{ error: { code: 'body_too_large' } }, { error: { code: 'not_ready' } }])
  })

  test('logs no request lines: a key may be in them', () => {
    expect(setting(conf, 'access_log')).toBe('off')
    expect(setting(conf, 'error_log')).toBe('stderr crit')
  })

  test('keeps what it holds back in a memory of limited size', () => {
    expect(service('gateway').tmpfs).toEqual(['/tmp:size=512m'])
    const paths = [...conf.matchAll(/^\s*\w+_temp_path (\S+);/gm)].map(([, path]) => path)
    expect(paths).toHaveLength(5)
    for (const path of paths) expect(path).toMatch(/^\/tmp\//)
  })
})

describe('.env.example', () => {
  const example = read('.env.example')
  const named = [...example.matchAll(/^([A-Z_]+)=/gm)].map(([, name = '']) => name)

  test('names all that the compose file passes on, and nothing else', () => {
    const passed = services.flatMap(([, { environment }]) =>
      Object.entries(environment).filter((entry) => !isSet(entry)),
    )
    const names = new Set([...passed.map(([name]) => name), ...compose.defaults.keys()])
    expect(named.toSorted()).toEqual([...names].toSorted())
  })

  test('sets nothing', () => {
    expect(example).not.toMatch(/^[A-Z_]+=./m)
  })

  test('shows providers as the control plane reads them', () => {
    const shown = [...example.matchAll(/^# (LLM_PROVIDER\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ])
    const declared = readEnvironment(Object.fromEntries(shown) as Env)
    expect(declared.ok && declared.value.providers.map(({ id }) => id)).toEqual(['vllm', 'ollama'])
    expect(service('control-plane').env_file).toEqual([{ path: '.env', required: false }])
  })
})
