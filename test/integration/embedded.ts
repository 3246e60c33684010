/**
 * Embedded mode in this process, with the providers a test gives it, registered as an admin would: every plane,
 * the log, the bus and the books.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { createAdminClient, type AdminClient } from '#control-plane/admin/client.ts'
import { startEmbedded } from '#control-plane/embedded/app.ts'
import { readEmbeddedConfig } from '#control-plane/embedded/config.ts'
import { eventually } from '../eventually.ts'

/** A client key that is always known. */
export const CLIENT_KEY = 'sk-embedded-client-0123456789'
const ADMIN_TOKEN = 'embedded-admin-token-0123456789'
/** A machine that is busy makes a database in many seconds. */
const PATIENCE_MS = 60_000

type Provider = Readonly<{ baseUrl: string; definition?: Partial<ProviderDefinitionInput> }>

export class Embedded implements AsyncDisposable {
  readonly admin: AdminClient
  /** Of the node. */
  readonly url: string
  readonly #stack: AsyncDisposableStack

  /** @param env beside what every test needs. */
  static async start(
    providers: Readonly<Record<string, Provider>>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Embedded> {
    await using stack = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'apiproxy-embedded-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const ports = ['PORT', 'OPS_PORT', 'ADMIN_PORT', 'PROBER_PORT', 'SIMULATED_PORT']
    const read = readEmbeddedConfig(
      {
        ...Object.fromEntries(ports.map((name) => [`APIPROXY_${name}`, '0'])),
        APIPROXY_DATA_DIR: folder,
        APIPROXY_AUTH_TOKEN: CLIENT_KEY,
        APIPROXY_DRAIN_MS: '0',
        ...env,
      },
      { masterKey: Buffer.alloc(32, 5).toString('base64'), adminToken: ADMIN_TOKEN },
    )
    if (!read.ok) throw new Error(read.error.join('\n'))
    const { config, declaration } = read.value
    const running = stack.use(await startEmbedded({ ...config, declaration }, silentLogger))
    const url = `http://127.0.0.1:${running.controlPlane.port}`
    const admin = createAdminClient({ url, token: ADMIN_TOKEN, timeoutMs: PATIENCE_MS })
    for (const [id, { baseUrl, definition }] of Object.entries(providers)) {
      const own = { name: id, kind: 'openai' as const, baseUrl, allowPrivate: true, ...definition }
      await admin.providers.register.mutate({ id, definition: { ...own, probe: { enabled: false } } })
    }
    const embedded = new Embedded(admin, `http://127.0.0.1:${running.dataPlane.port}`, stack.move())
    await embedded.served()
    return embedded
  }

  private constructor(admin: AdminClient, url: string, stack: AsyncDisposableStack) {
    this.admin = admin
    this.url = url
    this.#stack = stack
  }

  /** Resolves when the node serves the newest commit. */
  async served(): Promise<void> {
    const { commitNo } = await this.admin.providers.list.query()
    const isServed = async (): Promise<boolean> => {
      const { served, live } = await this.admin.fleet.wait.query({ commitNo, timeoutMs: 1_000 })
      return served && live > 0
    }
    await eventually(isServed, PATIENCE_MS, `serving commit ${commitNo}`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}
