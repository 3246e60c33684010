/**
 * A log for tests: builds real, chained commits from events, and the snapshot of any of them, without a
 * database. `TestLink` is the control plane that serves it, `publish` the relay.
 */
import type { CommitStream } from '#contracts/bus/bus.ts'
import { canonical, type Json } from '#contracts/canonical.ts'
import { EMPTY_CATALOG, FOLD_VERSION, type Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { ProviderDefinition, type ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import { CHAIN_START, chainLink, eventLeaf, commitRoot, metaLeaf } from '#contracts/commit/chain.ts'
import { GUARD, readCommit, TENANT, type WireCommit, type WireEvent } from '#contracts/commit/commit.ts'
import { stateDigest } from '#contracts/commit/digest.ts'
import { deriveKeys } from '#contracts/security/master-key.ts'
import { signCommit } from '#contracts/commit/signed.ts'
import { encodeSnapshot, type CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import { COMMITS_PER_ANSWER, type ControlLink, type Head } from '#contracts/fleet/link.ts'
import { LEASE_TTL_MS, type LeaseAnswer, type LeaseAsk } from '#contracts/fleet/leases.ts'
import type { NodeReport } from '#contracts/fleet/report.ts'
import {
  clientKeyStream,
  keyId,
  providerId,
  providerStream,
  SYSTEM_STREAM,
  type SecretId,
} from '#contracts/ids.ts'

/** The installation that signs this log. */
export const TEST_KEYS = deriveKeys(Buffer.alloc(32, 7))

/** Any event, also one that no build knows. `sv` is the schema version it claims to be written at. */
export type TestEvent = CatalogEvent | Readonly<{ type: string; stream: string; body: Json; sv?: number }>

export class TestLog {
  readonly commits: WireCommit[] = []
  readonly #versions = new Map<string, number>()
  #epoch = 1

  /** @param logId recorded in the first commit, which is made here. */
  constructor(logId = 'log-1') {
    this.append([{ type: 'GenesisCreated', stream: SYSTEM_STREAM, body: { logId, keyCheck: 'check' } }])
  }

  get head(): number {
    return this.commits.length
  }

  get epoch(): number {
    return this.#epoch
  }

  /** @returns the commit number. */
  append(events: readonly TestEvent[]): number {
    const commit = this.head + 1
    const prev = this.commits.at(-1)?.chain ?? CHAIN_START
    const wireEvents = events.map((event, i): WireEvent => {
      const sver = (this.#versions.get(event.stream) ?? 0) + 1
      this.#versions.set(event.stream, sver)
      const sv = 'sv' in event ? (event.sv ?? 1) : 1
      return { i, stream: event.stream, sver, type: event.type, sv, body: canonical(event.body) }
    })
    for (const event of events) if (event.type === 'EpochAdvanced') this.#epoch += 1
    const meta = {
      commandId: `command-${commit}`,
      command: 'test',
      actor: { kind: 'test', id: 't' },
      reason: null,
    }
    const at = 1_700_000_000_000 + commit
    const leaves = [metaLeaf({ ...meta, at, tenant: TENANT, guard: GUARD }), ...wireEvents.map(eventLeaf)]
    const header = { epoch: this.#epoch, at, tenant: TENANT, guard: GUARD }
    const chain = chainLink(prev, commit, commitRoot(header, leaves))
    this.commits.push({
      v: 1,
      ...header,
      commit,
      prev,
      chain,
      leaves,
      events: wireEvents,
    })
    return commit
  }

  /** Appends the event that moves the stream to a new name. */
  advanceEpoch(): number {
    return this.append([{ type: 'EpochAdvanced', stream: SYSTEM_STREAM, body: { epoch: this.#epoch + 1 } }])
  }

  /** What an old backup does: the commits after `commit` have never been. */
  restoreTo(commit: number): void {
    this.commits.length = commit
    this.#versions.clear()
    for (const { events } of this.commits)
      for (const { stream, sver } of events) this.#versions.set(stream, sver)
  }

  encoded(commit: number): string {
    const wire = this.commits[commit - 1]
    if (wire === undefined) throw new Error(`no commit ${commit} in the test log`)
    return signCommit(wire, TEST_KEYS.commits)
  }

  catalog(commit = this.head): Catalog {
    return foldCommits(EMPTY_CATALOG, this.commits.slice(0, commit).map(readCommit))
  }

  digest(commit = this.head): string {
    return stateDigest(this.catalog(commit))
  }

  snapshot(commit = this.head): CatalogSnapshot {
    const catalog = this.catalog(commit)
    return { catalog, chain: this.commits[commit - 1]?.chain ?? CHAIN_START, digest: stateDigest(catalog) }
  }

  beacon(nodes = 1): Head {
    return {
      v: 1,
      epoch: this.#epoch,
      commit: this.head,
      chain: this.commits.at(-1)?.chain ?? CHAIN_START,
      digest: this.digest(),
      foldVersion: FOLD_VERSION,
      nodes,
    }
  }
}

/** The relay: stores every commit that the stream of the log's epoch does not hold. */
export async function publish(log: TestLog, stream: CommitStream, first = 1): Promise<void> {
  await stream.create(log.epoch, first)
  const range = await stream.range(log.epoch)
  for (let commit = (range?.last ?? 0) + 1; commit <= log.head; commit++) {
    const answer = await stream.append(log.epoch, commit, log.encoded(commit))
    if (answer !== 'stored') throw new Error(`commit ${commit}: ${answer}`)
  }
}

/** A control plane that serves a log, and what a test wants it to do wrong. */
export class TestLink implements ControlLink {
  log: TestLog
  /** Vault texts. */
  readonly vault = new Map<SecretId, string>()
  readonly reports: NodeReport[] = []
  /** Signed lists of what providers serve. */
  lists: readonly string[] = []
  readonly asked = { snapshot: 0, commits: 0, secrets: 0, report: 0, modelLists: 0, leases: 0 }
  /** Nobody answers; `hanging`: not even with an error. */
  down = false
  hanging = false
  /** Which of the calls fail. */
  readonly broken = new Set<keyof ControlLink>()
  /** Snapshots are of this commit instead of the head. */
  snapshotAt: number | null = null

  constructor(log: TestLog) {
    this.log = log
  }

  async snapshot(signal: AbortSignal): Promise<string> {
    await this.#answer('snapshot', signal)
    return encodeSnapshot(this.log.snapshot(this.snapshotAt ?? this.log.head))
  }

  async commits(after: number, waitMs: number, signal: AbortSignal): Promise<readonly string[]> {
    await this.#answer('commits', signal)
    const endsAt = waitMs / 5
    for (let waited = 0; this.log.head <= after && waited < endsAt && !this.down; waited++) {
      await sleep(5, signal)
    }
    await this.#answer('commits', signal)
    const last = Math.min(this.log.head, after + COMMITS_PER_ANSWER)
    return Array.from({ length: Math.max(0, last - after) }, (_, index) =>
      this.log.encoded(after + 1 + index),
    )
  }

  async secrets(ids: readonly SecretId[], signal: AbortSignal): Promise<ReadonlyMap<SecretId, string>> {
    await this.#answer('secrets', signal)
    return new Map([...this.vault].filter(([id]) => ids.includes(id)))
  }

  async report(report: NodeReport, signal: AbortSignal): Promise<void> {
    await this.#answer('report', signal)
    this.reports.push(report)
  }

  async modelLists(signal: AbortSignal): Promise<readonly string[]> {
    await this.#answer('modelLists', signal)
    return this.lists
  }

  /** Whatever is asked for is granted. */
  async leases({ holdings }: LeaseAsk, signal: AbortSignal): Promise<LeaseAnswer> {
    await this.#answer('leases', signal)
    const left = { free: Number.MAX_SAFE_INTEGER, elsewhere: 0 }
    const grants = holdings.map(({ account, start, ceiling: granted }) => ({
      account,
      start,
      granted,
      ...left,
    }))
    return { ttlMs: LEASE_TTL_MS, grants }
  }

  async #answer(call: keyof ControlLink, signal: AbortSignal): Promise<void> {
    this.asked[call] += 1
    await sleep(1, signal)
    while (this.hanging) await sleep(50, signal)
    if (this.down || this.broken.has(call)) throw new Error('the control plane is down')
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const stop = (): void => {
    clearTimeout(timer)
    reject(new Error('aborted'))
  }
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop)
  return promise
}

export function providerRegistered(
  id: string,
  definition: Partial<ProviderDefinitionInput> = {},
): CatalogEvent {
  const body = {
    name: id,
    kind: 'openai' as const,
    baseUrl: `https://${id}.example/v1`,
    models: { static: [`${id}-model`] },
  }
  const whole = ProviderDefinition.parse({ ...body, ...definition })
  return {
    type: 'ProviderRegistered',
    stream: providerStream(providerId(id)),
    body: { origin: 'api', definition: whole },
  }
}

export function credentialAdded(provider: string, secret: string): CatalogEvent {
  const body = { credentialId: `cred_${secret}`, secretId: secret, fingerprint: 'fingerprint', weight: 1 }
  return { type: 'CredentialAdded', stream: providerStream(providerId(provider)), body }
}

export function keyIssued(id: string): CatalogEvent {
  const digest = id.padEnd(43, '.').slice(0, 43)
  const body = { origin: 'api' as const, name: id, digest, prefix: 'sk-test', expiresAt: null }
  return { type: 'ClientKeyIssued', stream: clientKeyStream(keyId(id)), body }
}

export const keyRevoked = (id: string): CatalogEvent => ({
  type: 'ClientKeyRevoked',
  stream: clientKeyStream(keyId(id)),
  body: {},
})
