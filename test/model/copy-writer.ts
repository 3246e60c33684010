/**
 * Writes copies to a folder, sealed with a key in hex, until it is killed, and says each commit it has
 * written. Run by `disk-kill.test.ts`.
 */
import { systemClock } from '#contracts/process/clock.ts'
import { FileDiskCopy } from '#data-plane/sync/disk/disk-copy.ts'
import { keyIssued, TestLog } from './log-builder.ts'

const [folder = '', key = ''] = process.argv.slice(2)
const log = new TestLog()
log.append(Array.from({ length: 1_000 }, (_unused, index) => keyIssued(`key_${index}`)))
const disk = new FileDiskCopy(folder, Buffer.from(key, 'hex'), systemClock)
const { copy } = await disk.load()
const { catalog, chain, digest } = log.snapshot()
for (let commit = copy?.snapshot.catalog.commit ?? 0; ;) {
  commit += 1
  await disk.save({
    snapshot: { catalog: { ...catalog, commit }, chain, digest },
    secrets: new Map(),
    discovered: new Map(),
  })
  process.stdout.write(`${commit}\n`)
}
