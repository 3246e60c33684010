/**
 * The provider secrets this node has opened: fetched from the control plane when a catalog names new ones,
 * forgotten when it no longer does.
 *
 * They are kept twice: opened, for compiling, and as the vault texts they came as, for the copy on disk.
 */
import type { Provider } from '#contracts/catalog/provider.ts'
import { SECRETS_PER_REQUEST, type ControlLink } from '#contracts/fleet/link.ts'
import type { SecretId } from '#contracts/ids.ts'
import { openSecret } from '#contracts/security/seal.ts'
import type { Secret } from '#contracts/security/secret.ts'
import type { Problems } from './problems.ts'
import { askWithin } from './waits.ts'

/** For one batch of secrets, in milliseconds. */
const FETCH_MS = 2_000
/** Between two attempts to get what is still missing, in milliseconds. */
const RETRY_MS = 1_000

export type SecretsPorts = Readonly<{
  link: Pick<ControlLink, 'secrets'>
  /** `MasterKey.vault`. */
  vaultKey: Uint8Array
  problems: Problems
  /** Some of the wanted secrets were asked for; `arrived`: and there are new ones. */
  onAsked: (arrived: boolean) => void
}>

/** In place of a commit number: it was asked for. */
const ASKED = Infinity

type Held = Readonly<{ secret: Secret; vaultText: string }>

export class NodeSecrets implements Disposable {
  readonly #ports: SecretsPorts
  readonly #held = new Map<SecretId, Held>()
  /** Wanted and not here, with the last commit that did without it; `ASKED` once it was asked for. */
  readonly #missing = new Map<SecretId, number>()
  readonly #stop = new AbortController()
  #isFetching = false
  #retry: NodeJS.Timeout | undefined

  constructor(ports: SecretsPorts) {
    this.#ports = ports
  }

  /** The text itself: it goes into a header of the compiled snapshot. */
  readonly reveal = (id: SecretId): string | undefined => this.#held.get(id)?.secret.reveal()

  /** Is something missing that was not asked for yet? */
  get isWaiting(): boolean {
    return this.askedThrough < ASKED
  }

  /** Commits up to this one name nothing that was not asked for yet; Infinity: none does. */
  get askedThrough(): number {
    return [...this.#missing.values()].reduce((least, commit) => Math.min(least, commit), ASKED)
  }

  vaultTexts(): ReadonlyMap<SecretId, string> {
    return new Map([...this.#held].map(([id, { vaultText }]) => [id, vaultText]))
  }

  /** Takes over what the copy on disk held. */
  restore(vaultTexts: ReadonlyMap<SecretId, string>): void {
    for (const [id, text] of vaultTexts) this.#open(id, text)
  }

  /**
   * Says which secrets the catalog refers to now: the others are forgotten, those not here are fetched.
   *
   * @param before the last commit that this was said of; 0: none, or one of another history.
   */
  want(providers: Iterable<Provider>, before = 0): void {
    const wanted = new Set<SecretId>()
    for (const provider of providers) for (const { secretId } of provider.credentials) wanted.add(secretId)
    for (const id of this.#held.keys()) if (!wanted.has(id)) this.#held.delete(id)
    for (const id of this.#missing.keys()) if (!wanted.has(id)) this.#missing.delete(id)
    for (const id of wanted) {
      if (this.#held.has(id)) continue
      const since = this.#missing.get(id)
      if (since !== ASKED) this.#missing.set(id, Math.min(since ?? before, before))
    }
    if (this.isWaiting) void this.#fetch()
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
    clearTimeout(this.#retry)
  }

  /** One at a time. Asks for what was never asked for, or else for everything missing. */
  async #fetch(): Promise<void> {
    if (this.#isFetching) return
    this.#isFetching = true
    clearTimeout(this.#retry)
    do {
      const arrived = await this.#fetchBatch(this.#nextBatch())
      if (this.#stop.signal.aborted) return
      this.#ports.onAsked(arrived)
    } while (this.isWaiting)
    this.#isFetching = false
    if (this.#missing.size > 0) this.#retry = setTimeout(() => void this.#fetch(), RETRY_MS)
  }

  #nextBatch(): readonly SecretId[] {
    const missing = [...this.#missing]
    const fresh = missing.filter(([, since]) => since !== ASKED)
    return (fresh.length > 0 ? fresh : missing).slice(0, SECRETS_PER_REQUEST).map(([id]) => id)
  }

  /** Also moves it to the end, so that those which never come do not keep the others from being asked for. */
  #markAsked(id: SecretId): void {
    if (this.#missing.delete(id)) this.#missing.set(id, ASKED)
  }

  async #fetchBatch(ids: readonly SecretId[]): Promise<boolean> {
    const { link, problems } = this.#ports
    let texts: ReadonlyMap<SecretId, string>
    try {
      texts = await askWithin(FETCH_MS, this.#stop.signal, (signal) => link.secrets(ids, signal))
    } catch (error) {
      if (!this.#stop.signal.aborted) problems.note('secret_missing', { secrets: this.#missing.size, error })
      // Whoever does not answer for these does not answer for the others either.
      for (const id of this.#missing.keys()) this.#missing.set(id, ASKED)
      return false
    }
    let arrived = false
    for (const id of ids) {
      const text = texts.get(id)
      // Forgotten while it was on its way: the catalog moved on.
      if (!this.#missing.has(id)) continue
      if (text === undefined) problems.note('secret_missing', { secret: id })
      if (text !== undefined && this.#open(id, text)) arrived = this.#missing.delete(id)
      else this.#markAsked(id)
    }
    return arrived
  }

  #open(id: SecretId, vaultText: string): boolean {
    const opened = openSecret(this.#ports.vaultKey, id, vaultText)
    if (opened.ok) this.#held.set(id, { secret: opened.value, vaultText })
    else this.#ports.problems.note('secret_unreadable', { secret: id, reason: opened.error })
    return opened.ok
  }
}
