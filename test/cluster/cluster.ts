/**
 * The whole product as it runs in production, on this machine: real Postgres, NATS and Redis, a control
 * plane, a prober and any number of nodes, each a process of its own.
 *
 * Every dependency is reached through a fault proxy, sound until a test says otherwise, so that no test runs
 * on a path that another could not break. Only who measures goes past them.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAdminClient, type AdminClient } from '#control-plane/admin/client.ts'
import { Role } from '../faults/kill.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { removeWhenWeDie } from '../processes/guard.ts'
import { freePort, type Server } from '../services/server.ts'
import { startNats, startPostgres, startRedis } from '../services/services.ts'

export type ClusterOptions = Readonly<{
  nodes: number
  /** Started unless false. */
  prober?: boolean
  /** Further environment of every process. */
  env?: Readonly<Record<string, string>>
  /** Past the fault proxies: they run in the process of the test, which then may have something better to do. */
  isDirect?: boolean
  /** Flags of node itself, in every process. */
  nodeFlags?: readonly string[]
}>

export type ClusterNode = Readonly<{ role: Role; url: string; opsUrl: string; dataDir: string }>

/** The client key that every cluster knows from its environment. */
export const CLIENT_KEY = 'sk-cluster-0123456789abcdef'
export const ADMIN_TOKEN = 'admin-token-of-a-test-cluster'

type Dependency = Readonly<{ server: Server; proxy: FaultProxy; url: string }>

export class Cluster implements AsyncDisposable {
  readonly postgres: Dependency
  readonly nats: Dependency
  readonly redis: Dependency
  readonly admin: AdminClient
  control!: Role
  prober: Role | null = null
  /** Health and metrics of the prober; empty without one. */
  proberUrl = ''
  readonly nodes: ClusterNode[] = []
  readonly #stack: AsyncDisposableStack
  readonly #env: Readonly<Record<string, string>>
  readonly #nodeFlags: readonly string[]
  readonly #folder: string
  readonly #controlPort: number

  static async start(options: ClusterOptions): Promise<Cluster> {
    const stack = new AsyncDisposableStack()
    try {
      const begin = async (start: () => Promise<Server>): Promise<Dependency> => {
        const server = stack.use(await start())
        const proxy = stack.use(await FaultProxy.start(server.url))
        return { server, proxy, url: options.isDirect === true ? server.url : proxy.via(server.url) }
      }
      const [postgres, nats, redis] = [
        await begin(startPostgres),
        await begin(startNats),
        await begin(startRedis),
      ]
      const folder = await mkdtemp(join(tmpdir(), 'apiproxy-cluster-'))
      removeWhenWeDie(folder)
      const cluster = new Cluster(stack, { postgres, nats, redis }, folder, await freePort(), options)
      await cluster.#start(options)
      return cluster
    } catch (error) {
      await stack.disposeAsync()
      throw error
    }
  }

  private constructor(
    stack: AsyncDisposableStack,
    dependencies: Readonly<{ postgres: Dependency; nats: Dependency; redis: Dependency }>,
    folder: string,
    controlPort: number,
    options: ClusterOptions,
  ) {
    this.postgres = dependencies.postgres
    this.nats = dependencies.nats
    this.redis = dependencies.redis
    this.#stack = stack
    this.#folder = folder
    this.#controlPort = controlPort
    this.#nodeFlags = options.nodeFlags ?? []
    this.#env = {
      DATABASE_URL: dependencies.postgres.url,
      NATS_URL: dependencies.nats.url,
      REDIS_URL: dependencies.redis.url,
      APIPROXY_MASTER_KEY: randomBytes(32).toString('base64'),
      APIPROXY_ADMIN_TOKEN: ADMIN_TOKEN,
      APIPROXY_AUTH_TOKEN: CLIENT_KEY,
      APIPROXY_CONTROL_URL: `http://127.0.0.1:${controlPort}`,
      NODE_COMPILE_CACHE: join(tmpdir(), 'apiproxy-test-compile-cache'),
      LOG_LEVEL: 'warn',
      ...options.env,
    }
    this.admin = createAdminClient({
      url: `http://127.0.0.1:${controlPort}`,
      token: ADMIN_TOKEN,
      timeoutMs: 15_000,
    })
  }

  get controlUrl(): string {
    return `http://127.0.0.1:${this.#controlPort}`
  }

  /** A further control plane on the same log, with a client of its own. */
  async addControlPlane(): Promise<Readonly<{ role: Role; admin: AdminClient }>> {
    const port = await freePort()
    const role = await this.#startControl(port, `control-plane-${port}`)
    return {
      role,
      admin: createAdminClient({ url: `http://127.0.0.1:${port}`, token: ADMIN_TOKEN, timeoutMs: 15_000 }),
    }
  }

  async addNode(): Promise<ClusterNode> {
    const [port, opsPort] = [await freePort(), await freePort()]
    const dataDir = join(this.#folder, `node-${this.nodes.length}`)
    const opsUrl = `http://127.0.0.1:${opsPort}`
    const role = this.#stack.use(
      await Role.start({
        name: `node-${this.nodes.length}`,
        main: 'data-plane/main.ts',
        nodeFlags: this.#nodeFlags,
        env: {
          ...this.#env,
          APIPROXY_DATA_DIR: dataDir,
          APIPROXY_HOST: '127.0.0.1',
          APIPROXY_PORT: String(port),
          APIPROXY_OPS_HOST: '127.0.0.1',
          APIPROXY_OPS_PORT: String(opsPort),
        },
        ready: `${opsUrl}/readyz`,
      }),
    )
    const node = { role, url: `http://127.0.0.1:${port}`, opsUrl, dataDir }
    this.nodes.push(node)
    return node
  }

  /** Waits until every live node serves the commit. Throws when they do not. */
  async served(commitNo: number, timeoutMs = 30_000): Promise<void> {
    const { served, behind } = await this.admin.fleet.wait.query({ commitNo, timeoutMs })
    if (!served) throw new Error(`nodes that do not serve commit ${commitNo}: ${JSON.stringify(behind)}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  async #start({ nodes, prober = true }: ClusterOptions): Promise<void> {
    this.control = await this.#startControl(this.#controlPort, 'control-plane')
    for (let count = 0; count < nodes; count++) await this.addNode()
    if (!prober) return
    const port = await freePort()
    this.proberUrl = `http://127.0.0.1:${port}`
    this.prober = this.#stack.use(
      await Role.start({
        name: 'prober',
        main: 'prober/main.ts',
        nodeFlags: this.#nodeFlags,
        env: { ...this.#env, APIPROXY_PROBER_HOST: '127.0.0.1', APIPROXY_PROBER_PORT: String(port) },
        ready: `http://127.0.0.1:${port}/readyz`,
      }),
    )
  }

  async #startControl(port: number, name: string): Promise<Role> {
    return this.#stack.use(
      await Role.start({
        name,
        main: 'control-plane/main.ts',
        nodeFlags: this.#nodeFlags,
        env: { ...this.#env, APIPROXY_ADMIN_PORT: String(port) },
        ready: `http://127.0.0.1:${port}/readyz`,
      }),
    )
  }
}
