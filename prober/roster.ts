/**
 * Which deployments there are, learned from the control plane the way a node learns it: a snapshot, and a
 * question that waits for the next commit.
 *
 * Losable: while no control plane answers, the last known roster stays, and before the first one nothing is
 * probed.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { Provider } from '#contracts/catalog/provider.ts'
import { decodeSnapshot } from '#contracts/commit/snapshot.ts'
import type { ControlLink } from '#contracts/fleet/link.ts'
import type { SecretId } from '#contracts/ids.ts'
import type { Logger } from '#contracts/process/logger.ts'
import { openSecret } from '#contracts/security/seal.ts'
import type { Secret } from '#contracts/security/secret.ts'
import type { Roster, RosterEntry } from './probe/plan.ts'

export type RosterPorts = Readonly<{
  link: ControlLink
  /** `MasterKey.vault`. */
  vaultKey: Uint8Array
  logger: Logger
}>

/** How long one question for commits may wait, in milliseconds. */
const WAIT_MS = 20_000
/** For an answer beyond what it may wait, in milliseconds. */
const ANSWER_MS = 10_000
/** After an answer that did not come, and between two snapshots however fast commits follow, in milliseconds. */
const PAUSE_MS = 2_000

export class CatalogRoster implements Roster, AsyncDisposable {
  readonly #ports: RosterPorts
  readonly #stop = new AbortController()
  readonly #loop: Promise<void>
  #entries: readonly RosterEntry[] = []
  #commit = 0

  /** Begins to follow at once. */
  constructor(ports: RosterPorts) {
    this.#ports = ports
    this.#loop = this.#follow()
  }

  list(): readonly RosterEntry[] {
    return this.#entries
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #follow(): Promise<void> {
    const { link, logger } = this.#ports
    while (!this.#stop.signal.aborted) {
      try {
        const commits =
          this.#commit === 0
            ? []
            : await link.commits(this.#commit, WAIT_MS, this.#within(WAIT_MS + ANSWER_MS))
        if (this.#commit === 0 || commits.length > 0) await this.#refresh()
      } catch (error) {
        if (!this.#stop.signal.aborted)
          logger.debug({ error }, 'the control plane does not tell which deployments there are')
      }
      await this.#pause()
    }
  }

  async #refresh(): Promise<void> {
    const { link, vaultKey, logger } = this.#ports
    const snapshot = decodeSnapshot(await link.snapshot(this.#within(ANSWER_MS)), true)
    if (!snapshot.ok) {
      logger.warn({ problem: snapshot.error }, 'a snapshot of the control plane cannot be used')
      return
    }
    const { catalog } = snapshot.value
    const ids = [...catalog.providers.values()].flatMap(({ credentials }) =>
      credentials.slice(0, 1).map(({ secretId }) => secretId),
    )
    const sealed = await link.secrets(ids, this.#within(ANSWER_MS))
    this.#entries = rosterOf(catalog, (id) => {
      const text = sealed.get(id)
      const opened = text === undefined ? null : openSecret(vaultKey, id, text)
      return opened?.ok === true ? opened.value : null
    })
    this.#commit = catalog.commit
  }

  #within(ms: number): AbortSignal {
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ms)])
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#stop.signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, PAUSE_MS)
      this.#stop.signal.addEventListener('abort', end)
    })
  }
}

/** Pure. A provider whose secret cannot be opened is left out: without it every probe would be refused. */
function rosterOf(catalog: Catalog, secret: (id: SecretId) => Secret | null): readonly RosterEntry[] {
  const uses = usesOf(catalog)
  return [...catalog.providers.values()].flatMap((provider): RosterEntry[] => {
    const first = provider.credentials[0]
    const credential = first === undefined ? null : secret(first.secretId)
    if (provider.state !== 'enabled' || (first !== undefined && credential === null)) return []
    return [...(uses.get(provider.id) ?? [])].map(([model, use]) => entryOf(provider, model, use, credential))
  })
}

type Use = { weight: number; routes: string[] }

/** Provider → upstream model → where and how much it is used. */
function usesOf(catalog: Catalog): ReadonlyMap<string, ReadonlyMap<string, Use>> {
  const uses = new Map<string, Map<string, Use>>()
  const add = (provider: string, model: string, weight: number, routes: readonly string[]): void => {
    const models = uses.get(provider) ?? new Map<string, Use>()
    const use = models.get(model) ?? { weight: 0, routes: [] }
    use.weight = Math.max(use.weight, weight)
    use.routes.push(...routes)
    uses.set(provider, models.set(model, use))
  }
  for (const { id, definition } of catalog.providers.values()) {
    for (const model of definition.models.static) add(id, model, definition.routing.weight, [model])
  }
  for (const { name, aliases, targets } of catalog.models.values()) {
    for (const { provider, model, weight } of targets) add(provider, model, weight, [name, ...aliases])
  }
  return uses
}

function entryOf(
  { id, definition }: Provider,
  model: string,
  { weight, routes }: Use,
  credential: Secret | null,
): RosterEntry {
  const { kind, baseUrl, allowPrivate, probe } = definition
  return { provider: id, model, kind, baseUrl, allowPrivate, weight, routes, probe, credential }
}
