/**
 * Keeps the model list of every enabled provider, ahead of time: no request ever waits for one.
 *
 * Each provider is asked by itself, so that one that hangs delays nobody. A fresh list that another control
 * plane left in the cache is taken instead of asking. A list that was once fetched stays until a newer one
 * comes: a provider that cannot say what it serves still serves it.
 */
import { Agent, type Dispatcher } from 'undici'
import type { Bus } from '#contracts/bus/bus.ts'
import type { Subjects } from '#contracts/bus/subjects.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { ListedModel, ListedModels } from '#contracts/catalog/facts/listed-model.ts'
import type { Provider } from '#contracts/catalog/provider.ts'
import { sha256Hex } from '#contracts/commit/hash.ts'
import { openModelList, signModelList } from '#contracts/fleet/model-lists.ts'
import type { ProviderId, SecretId } from '#contracts/ids.ts'
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import { err, type Result } from '#contracts/result.ts'
import { guardedConnector } from '#contracts/security/guarded-connector.ts'
import { openSecret } from '#contracts/security/seal.ts'
import type { Secret } from '#contracts/security/secret.ts'
import type { ModelListCache } from './cache.ts'
import { fetchList, type ListFailure } from './fetch-list.ts'
import { afterFailure, afterSuccess } from './schedule.ts'

export type DiscoveryPorts = Readonly<{
  catalog: () => Catalog
  /** Vault texts by id. */
  secrets: (ids: readonly SecretId[]) => Promise<ReadonlyMap<string, string>>
  cache: ModelListCache
  bus: Pick<Bus, 'publish'>
  subjects: Pick<Subjects, 'modelLists'>
  /** `MasterKey.vault`. */
  vaultKey: Uint8Array
  /** `MasterKey.models`. */
  listKey: Uint8Array
  /** How old a list may become before it is fetched again, in milliseconds. */
  ttlMs: number
  clock: Clock
  random: () => number
  logger: Logger
}>

/** What is known of one provider's list. */
export type ListStanding = Readonly<{
  list: ListedModels | null
  /** Why the last question failed; null: it did not. */
  problem: string | null
}>

/** For one provider's whole list, in milliseconds. */
const DEADLINE_MS = 15_000
const CONNECT_MS = 5_000
/** How often it is looked who is to be asked, in milliseconds. */
const TICK_MS = 250
/** Questions under way at once. */
const MOST_AT_ONCE = 32
/** Credentials tried when one is refused. */
const MOST_CREDENTIALS = 3

type Watch = {
  provider: Provider
  /** Of what decides where the list comes from. */
  source: string
  list: ListedModels | null
  /** The list as it travels. */
  signed: string | null
  problem: string | null
  failures: number
  /** Monotonic milliseconds. */
  dueAt: number
  isBusy: boolean
}

export class Discovery implements AsyncDisposable {
  readonly #ports: DiscoveryPorts
  readonly #watches = new Map<ProviderId, Watch>()
  readonly #stop = new AbortController()
  readonly #agents: Readonly<Record<'public' | 'anywhere', Agent>> = {
    public: agent(false),
    anywhere: agent(true),
  }
  readonly #timer: NodeJS.Timeout
  readonly #running = new Set<Promise<void>>()
  readonly #fetches = { ok: 0, failed: 0 }

  /** Begins with the first tick, or when `tick` is called. */
  constructor(ports: DiscoveryPorts) {
    this.#ports = ports
    this.#timer = setInterval(() => this.tick(), TICK_MS)
  }

  /** Every list held, as it travels to the nodes. */
  signedLists(): readonly string[] {
    return [...this.#watches.values()].flatMap(({ signed }) => signed ?? [])
  }

  /** @returns null when the provider is not asked: it is off, or its operator named its models. */
  standing(id: ProviderId): ListStanding | null {
    const watch = this.#watches.get(id)
    return watch === undefined ? null : { list: watch.list, problem: watch.problem }
  }

  /** Questions to providers since the start, by how they ended. */
  get fetches(): Readonly<{ ok: number; failed: number }> {
    return this.#fetches
  }

  /** Providers by what is known of them, for metrics. */
  counts(): Readonly<Record<'fresh' | 'stale' | 'unknown', number>> {
    const counts = { fresh: 0, stale: 0, unknown: 0 }
    for (const { list, problem } of this.#watches.values()) {
      counts[list === null ? 'unknown' : problem === null ? 'fresh' : 'stale'] += 1
    }
    return counts
  }

  /** Looks at the catalog and begins to ask whoever is due. Waits for nobody. */
  tick(): void {
    this.#watchCatalog(this.#ports.catalog())
    const now = this.#ports.clock.monotonic()
    const due = [...this.#watches.values()].filter(({ dueAt, isBusy }) => !isBusy && dueAt <= now)
    due.sort((one, other) => one.dueAt - other.dueAt)
    for (const watch of due.slice(0, MOST_AT_ONCE - this.#running.size)) this.#begin(watch)
  }

  /** Asks a provider now, whatever is known of it. @returns what it serves, or why it does not say. */
  async ask(provider: Provider): Promise<Result<readonly ListedModel[], ListFailure>> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(DEADLINE_MS)])
    try {
      return await this.#askWithCredentials(provider, signal)
    } catch (error) {
      // Not the provider's doing: the vault could not be read.
      this.#ports.logger.warn({ error, provider: provider.id }, 'a model list could not be asked for')
      return err({ reason: 'the control plane could not read its vault', isRefused: false })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#stop.abort()
    await Promise.all(this.#running)
    await Promise.all([this.#agents.public.destroy(), this.#agents.anywhere.destroy()])
  }

  #watchCatalog({ providers }: Catalog): void {
    for (const id of this.#watches.keys()) {
      const provider = providers.get(id)
      if (provider === undefined || !isAsked(provider)) this.#watches.delete(id)
    }
    for (const provider of providers.values()) {
      if (!isAsked(provider)) continue
      const watch = this.#watches.get(provider.id)
      if (watch === undefined) this.#watches.set(provider.id, newWatch(provider))
      else if (watch.provider !== provider) this.#change(watch, provider)
    }
  }

  /** Another address or credential: what is known stays until it is asked, at once. */
  #change(watch: Watch, provider: Provider): void {
    const source = sourceOf(provider)
    const isSame = source === watch.source && watch.provider.credentials === provider.credentials
    watch.provider = provider
    watch.source = source
    if (!isSame) Object.assign(watch, { dueAt: -Infinity, failures: 0 })
  }

  #begin(watch: Watch): void {
    watch.isBusy = true
    const work = this.#refresh(watch).finally(() => {
      watch.isBusy = false
      this.#running.delete(work)
    })
    this.#running.add(work)
  }

  async #refresh(watch: Watch): Promise<void> {
    const { clock, random, ttlMs } = this.#ports
    const { provider } = watch
    const cached = await this.#cached(watch)
    // Far in the future is as little use as far in the past: a clock was wrong when it was fetched.
    const age = cached === null ? Infinity : Math.abs(clock.now() - cached.list.at)
    if (cached !== null && cached.list.at > (watch.list?.at ?? 0)) this.#take(watch, cached.list, cached.text)
    if (age < ttlMs) {
      this.#settle(watch, provider, null, ttlMs - age)
      return
    }
    const answer = await this.ask(provider)
    if (this.#stop.signal.aborted || this.#watches.get(provider.id) !== watch) return
    this.#fetches[answer.ok ? 'ok' : 'failed'] += 1
    if (answer.ok) {
      // A clock that was set back must not make a new list older than the one before it.
      const at = Math.max(clock.now(), (watch.list?.at ?? 0) + 1)
      const list = { at, models: answer.value }
      const text = signModelList({ provider: provider.id, list }, this.#ports.listKey)
      this.#take(watch, list, text)
      this.#ports.cache.put(watch.source, text)
      watch.failures = 0
      this.#settle(watch, provider, null, afterSuccess(ttlMs, random))
    } else {
      watch.failures += 1
      this.#settle(watch, provider, answer.error.reason, afterFailure(ttlMs, watch.failures, random))
    }
  }

  /** @param waitMs unless the provider was changed meanwhile: then it is due again already. */
  #settle(watch: Watch, asked: Provider, problem: string | null, waitMs: number): void {
    if (problem !== null && watch.problem !== problem)
      this.#ports.logger.warn({ provider: asked.id, problem }, 'a provider does not say what it serves')
    watch.problem = problem
    if (watch.provider === asked || watch.dueAt !== -Infinity)
      watch.dueAt = this.#ports.clock.monotonic() + waitMs
  }

  #take(watch: Watch, list: ListedModels, text: string): void {
    watch.list = list
    watch.signed = text
    // Said even when nothing changed: whoever missed it the last time hears it now.
    this.#ports.bus.publish(this.#ports.subjects.modelLists, text)
  }

  /** What a control plane has left in the cache, if it is ours and about this provider. */
  async #cached({ source, provider }: Watch): Promise<Readonly<{ list: ListedModels; text: string }> | null> {
    const text = await this.#ports.cache.get(source)
    if (text === null) return null
    const opened = openModelList(text, this.#ports.listKey)
    return opened.ok && opened.value.provider === provider.id ? { list: opened.value.list, text } : null
  }

  async #askWithCredentials(
    { definition, credentials }: Provider,
    signal: AbortSignal,
  ): Promise<Result<readonly ListedModel[], ListFailure>> {
    const dispatcher: Dispatcher = definition.allowPrivate ? this.#agents.anywhere : this.#agents.public
    const question = { definition, dispatcher, signal }
    if (credentials.length === 0) return fetchList({ ...question, secret: null })
    let refusal: Result<never, ListFailure> = err({ reason: 'no credential can be read', isRefused: true })
    for (const { secretId } of credentials.slice(0, MOST_CREDENTIALS)) {
      const secret = await this.#open(secretId)
      if (secret === null) continue
      const answer = await fetchList({ ...question, secret })
      if (answer.ok || !answer.error.isRefused) return answer
      refusal = answer
    }
    return refusal
  }

  /** Opened for one question and kept nowhere. */
  async #open(id: SecretId): Promise<Secret | null> {
    const text = (await this.#ports.secrets([id])).get(id)
    const opened = text === undefined ? null : openSecret(this.#ports.vaultKey, id, text)
    return opened?.ok === true ? opened.value : null
  }
}

/** A list the operator wrote replaces asking. */
const isAsked = ({ state, definition }: Provider): boolean =>
  state === 'enabled' && definition.models.static.length === 0

const newWatch = (provider: Provider): Watch => ({
  provider,
  source: sourceOf(provider),
  list: null,
  signed: null,
  problem: null,
  failures: 0,
  dueAt: -Infinity,
  isBusy: false,
})

/** Also the key in the cache, so that a list of another address is never taken for this one's. */
function sourceOf({ id, definition: { kind, baseUrl, models } }: Provider): string {
  return sha256Hex(JSON.stringify([id, kind, baseUrl, models.path])).slice(0, 40)
}

function agent(allowPrivate: boolean): Agent {
  return new Agent({
    connect: guardedConnector(allowPrivate, CONNECT_MS),
    headersTimeout: DEADLINE_MS,
    bodyTimeout: DEADLINE_MS,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: 1_000,
  })
}
