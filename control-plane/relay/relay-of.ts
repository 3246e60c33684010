/**
 * The relay of a ledger's log: where its head is, how it is read, and that a commit rings.
 */
import type { CommitStream } from '#contracts/bus/bus.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { Ledger, Log } from '../commands/ledger.ts'
import { Relay } from './relay.ts'

export type RelayParts = Readonly<{
  stream: CommitStream
  ledger: Ledger
  log: Pick<Log, 'read'>
  /** `MasterKey.commits`. */
  key: Uint8Array
  logger: Logger
}>

/** Begins to carry commits, once the ledger has read its log. */
export function relayOf({ stream, ledger, log, key, logger }: RelayParts): Relay {
  const relay = new Relay({
    stream,
    head: () => {
      const { catalog, chain } = ledger.snapshot
      return ledger.stop === null ? { commit: catalog.commit, epoch: catalog.epoch, chain } : null
    },
    read: async (after, limit) => (await log.read(after, limit)).map(({ wire }) => wire),
    key,
    logger,
  })
  ledger.onCommits((wires) => relay.ring(wires))
  return relay
}
