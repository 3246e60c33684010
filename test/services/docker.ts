/**
 * Servers in containers, where a Docker engine answers.
 */
import { request } from 'node:http'
import { homedir } from 'node:os'
import { freePort, type Server, type ServerPlace } from './server.ts'
import type { ServiceName } from './programs.ts'

type Image = Readonly<{
  name: string
  port: number
  command: readonly string[]
  environment: Readonly<Record<string, string>>
  ready: RegExp
  /** How often the line comes: Postgres says it once while it initialises itself. */
  times: number
  url: (host: string, port: number) => string
}>

/** Minor versions are pinned, patches are not. Postgres is the oldest that we support. */
const IMAGES: Readonly<Record<ServiceName, Image>> = {
  postgres: {
    name: 'postgres:15-alpine',
    port: 5432,
    command: ['postgres', '-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=200'],
    environment: { POSTGRES_HOST_AUTH_METHOD: 'trust' },
    ready: /database system is ready to accept connections/,
    times: 2,
    url: (host, port) => `postgres://postgres@${host}:${port}/postgres`,
  },
  nats: {
    name: 'nats:2.12-alpine',
    port: 4222,
    command: ['-js', '-sd', '/data'],
    environment: {},
    ready: /Server is ready/,
    times: 1,
    url: (host, port) => `nats://${host}:${port}`,
  },
  redis: {
    name: 'valkey/valkey:8.1-alpine',
    port: 6379,
    command: ['valkey-server', '--save', '', '--appendonly', 'no'],
    environment: {},
    ready: /Ready to accept connections/,
    times: 1,
    url: (host, port) => `redis://${host}:${port}`,
  },
}

/** Where an engine may listen, most explicit first. */
export function dockerAddresses(
  env: Readonly<Record<string, string | undefined>> = process.env,
): readonly string[] {
  const named = env['DOCKER_HOST']
  if (named !== undefined && named !== '') return [named]
  const runtime = env['XDG_RUNTIME_DIR']
  return [
    'unix:///var/run/docker.sock',
    ...(runtime === undefined ? [] : [`unix://${runtime}/docker.sock`]),
    `unix://${homedir()}/.docker/run/docker.sock`,
  ]
}

/** Asks an engine for a sign of life: a `docker` command without an engine behind it is common. */
export function engineAnswers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const url = URL.canParse(address) ? new URL(address) : null
    const target =
      url === null
        ? null
        : url.protocol === 'unix:'
          ? { socketPath: url.pathname }
          : url.protocol === 'tcp:' || url.protocol === 'http:'
            ? { host: url.hostname, port: url.port || 2375 }
            : null
    if (target === null) return resolve(false)
    const asking = request({ ...target, path: '/_ping', timeout: 1_000 }, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    asking.on('error', () => resolve(false))
    asking.on('timeout', () => asking.destroy())
    asking.end()
  })
}

export async function dockerAnswers(addresses = dockerAddresses()): Promise<boolean> {
  for (const address of addresses) if (await engineAnswers(address)) return true
  return false
}

/** A container on a fixed port of this machine, so that it can be started again where it was. */
export async function startContainer(
  service: ServiceName,
  place: Pick<ServerPlace, 'port'> = {},
): Promise<Server> {
  // Imported here: loading it costs more than most test files.
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers')
  const image = IMAGES[service]
  const port = place.port ?? (await freePort())
  const started = await new GenericContainer(image.name)
    .withCommand([...image.command])
    .withEnvironment({ ...image.environment })
    .withExposedPorts({ container: image.port, host: port })
    .withWaitStrategy(Wait.forLogMessage(image.ready, image.times))
    .start()
  const container = (await getContainerRuntimeClient()).container.getById(started.getId())
  const pidNow = async (): Promise<number> => (await container.inspect()).State.Pid
  let pid = await pidNow()
  const stop = async (): Promise<void> => {
    await started.stop({ timeout: 0 })
  }
  return {
    url: image.url(started.getHost(), port),
    port,
    get pid() {
      return pid
    },
    kill: async (signal) => {
      await container.kill({ signal })
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await container.wait()
    },
    restart: async () => {
      if ((await container.inspect()).State.Running) await container.kill({ signal: 'SIGKILL' })
      await container.start()
      pid = await pidNow()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
