/**
 * A checkpoint: a signed statement of where the log was. Kept elsewhere (a ticket, another host, the log of
 * this process), it proves later that nothing before it was changed or cut off.
 */
import { canonical } from '#contracts/canonical.ts'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { DIGEST_EVERY, type Ledger } from '../commands/ledger.ts'
import type { Past } from '../store/past.ts'
import type { Signer } from './signer.ts'
import { openCheckpoint, type Checkpoint } from './statement.ts'

/** Issued after as many commits, or after as many milliseconds when there is anything new. */
export const CHECKPOINT_EVERY = { commits: DIGEST_EVERY, ms: 60_000 } as const
/** Statements that wait for the database; the newest say all that the older ones do. */
const WAITING_AT_MOST = 1_000

export type CheckpointPorts = Readonly<{
  ledger: Pick<Ledger, 'snapshot' | 'digestAt' | 'onCommits'>
  past: Pick<Past, 'keepCheckpoint' | 'lastCheckpoint'>
  signer: Signer
  clock: Clock
  logger: Logger
}>

/** Signs the log as it grows. `tick` is called about once a second. */
export class Checkpoints {
  readonly #ports: CheckpointPorts
  readonly #waiting: Checkpoint[] = []
  #last = 0
  #issuedAt: number | null = null

  constructor(ports: CheckpointPorts) {
    this.#ports = ports
    ports.ledger.onCommits((wires) => {
      for (const { commit, chain, epoch } of wires) {
        const digest = ports.ledger.digestAt(commit)
        if (commit % CHECKPOINT_EVERY.commits === 0 && digest !== undefined)
          this.#add({ commit, chain, epoch, digest })
      }
    })
  }

  /** Rejects when the database is away; nothing is lost by that, the next one says it all. */
  async tick(): Promise<void> {
    const { ledger, past, signer, clock, logger } = this.#ports
    if (this.#issuedAt === null) {
      const last = await past.lastCheckpoint()
      const known = last === null ? null : openCheckpoint(last, signer.verifier)
      this.#last = Math.max(this.#last, known?.commit ?? 0)
      this.#issuedAt = -Infinity
    }
    const { catalog, chain, digest } = ledger.snapshot
    const isDue = clock.monotonic() - this.#issuedAt >= CHECKPOINT_EVERY.ms
    if (isDue && this.#waiting.length === 0 && catalog.commit > this.#last)
      this.#add({ commit: catalog.commit, chain, epoch: catalog.epoch, digest })
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const signed = signer.sign('checkpoint', canonical(next))
      await past.keepCheckpoint(next.commit, signed)
      this.#waiting.shift()
      this.#last = Math.max(this.#last, next.commit)
      this.#issuedAt = clock.monotonic()
      // Logs are shipped elsewhere, and so is this.
      logger.info({ checkpoint: signed.body, signature: signed.signature }, 'checkpoint of the log')
    }
  }

  #add(place: Pick<Checkpoint, 'commit' | 'chain' | 'epoch' | 'digest'>): void {
    const { genesis } = this.#ports.ledger.snapshot.catalog
    if (genesis === null) return
    const at = this.#ports.clock.now()
    this.#waiting.push({ v: 1, logId: genesis.logId, foldVersion: FOLD_VERSION, at, ...place })
    if (this.#waiting.length > WAITING_AT_MOST) this.#waiting.shift()
  }
}
