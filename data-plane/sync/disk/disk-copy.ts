/**
 * The last known good configuration on disk, so that a node boots with everything else down.
 *
 * Two slots, written in turn: temporary file, fsync, rename, fsync of the folder. Whenever the process is
 * killed, one slot is whole. A slot is a header line and sealed sections; every section is bound to the
 * header and to its place, so none can be damaged, dropped, moved or brought from another file unnoticed.
 * Writing goes piece by piece and gives the event loop back every few milliseconds.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import { ListedModels } from '#contracts/catalog/facts/listed-model.ts'
import { decodeSnapshot, snapshotPieces, type CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import { providerId, secretId, type ProviderId, type SecretId } from '#contracts/ids.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { openBytes, sealBytes } from '#contracts/security/seal.ts'
import { turn } from '../waits.ts'
import { nodeFiles, type DiskFiles, type OpenFile } from './files.ts'

/** Everything a node needs to serve without asking anybody. */
export type NodeCopy = Readonly<{
  snapshot: CatalogSnapshot
  /** Vault texts of the secrets the catalog refers to. */
  secrets: ReadonlyMap<SecretId, string>
  /** Models each provider was seen to serve. */
  discovered: ReadonlyMap<ProviderId, ListedModels>
}>

/** Why a slot was not used. */
export type RefusedSlot = Readonly<{ slot: string; reason: string }>
export type LoadedCopy = Readonly<{
  copy: NodeCopy | null
  /** Would it be there after a power failure, too? What is not has to be written again. */
  isDurable: boolean
  refused: readonly RefusedSlot[]
}>

export interface DiskCopy {
  /** @returns the newest copy that is whole, and what is wrong with a newer one. Never rejects. */
  load(): Promise<LoadedCopy>
  /** Rejects when it could not be written; the copy before it is still there then. One call at a time. */
  save(copy: NodeCopy): Promise<void>
}

/** 2: lists of models with what they tell. */
const FORMAT = 2
const SLOTS = ['a', 'b'] as const
type Slot = (typeof SLOTS)[number]

/** First line of a slot, in the clear. `sequence` orders the slots; `id` ties the sections to this file. */
const Header = z.object({
  apiproxy: z.literal('node copy'),
  format: z.int(),
  fold: z.int(),
  sequence: z.int().min(1),
  id: z.string().max(64),
})
/** First line of what is sealed; the catalog snapshot follows it. */
const Extras = z.object({
  secrets: z.array(z.tuple([z.string(), z.string()])),
  discovered: z.array(z.tuple([z.string(), ListedModels])),
})

/** A header line is about 130 bytes. */
const LONGEST_HEADER = 512
/** Text sealed and written at a time, in characters: about 0.3 ms of work. */
const SECTION_CHARS = 128 * 1024
/** After this long other work gets its turn, in milliseconds. */
const SLICE_MS = 2

export class FileDiskCopy implements DiskCopy {
  readonly #folder: string
  readonly #key: Uint8Array
  readonly #clock: Clock
  readonly #files: DiskFiles
  #sequence = 0
  #next: Slot = 'a'

  /**
   * @param folder the node's own, e.g. `<dataDir>/node`.
   * @param key `MasterKey.disk`.
   */
  constructor(folder: string, key: Uint8Array, clock: Clock, files: DiskFiles = nodeFiles) {
    this.#folder = folder
    this.#key = key
    this.#clock = clock
    this.#files = files
  }

  async load(): Promise<LoadedCopy> {
    const refused: RefusedSlot[] = []
    const found: Readonly<{ slot: Slot; file: SlotFile }>[] = []
    for (const slot of SLOTS) {
      const file = await readSlot(this.#files, this.#path(slot))
      if (file === null) continue
      if (file.ok) found.push({ slot, file: file.value })
      else refused.push({ slot, reason: file.error })
    }
    found.sort((one, other) => other.file.header.sequence - one.file.header.sequence)
    this.#sequence = found[0]?.file.header.sequence ?? 0
    for (const { slot, file } of found) {
      const copy = openSlot(this.#key, file)
      if (copy.ok) {
        this.#next = slot === 'a' ? 'b' : 'a'
        return { copy: copy.value, isDurable: await this.#isNameSafe(), refused }
      }
      refused.push({ slot, reason: copy.error })
    }
    return { copy: null, isDurable: true, refused }
  }

  /** Who wrote the copy may have been killed before its name was safe. */
  async #isNameSafe(): Promise<boolean> {
    try {
      await this.#files.syncFolder(this.#folder)
      return true
    } catch {
      return false // it is written again, and what is wrong with the disk is said then
    }
  }

  async save(copy: NodeCopy): Promise<void> {
    const slot = this.#next
    const path = this.#path(slot)
    const header = {
      apiproxy: 'node copy',
      format: FORMAT,
      fold: FOLD_VERSION,
      sequence: this.#sequence + 1,
      id: randomUUID(),
    }
    const files = this.#files
    await files.makeFolder(this.#folder)
    try {
      await using file = await files.create(`${path}.tmp`)
      await this.#write(file, JSON.stringify(header), copy)
      await file.sync()
    } catch (error) {
      await files.remove(`${path}.tmp`).catch(() => undefined) // the disk is full or gone: the first error says so
      throw error
    }
    await files.rename(`${path}.tmp`, path)
    await files.syncFolder(this.#folder)
    this.#sequence += 1
    this.#next = slot === 'a' ? 'b' : 'a'
  }

  async #write(file: OpenFile, header: string, copy: NodeCopy): Promise<void> {
    await file.write([Buffer.from(`${header}\n`)])
    let index = 0
    const writeSection = async (text: string, isLast: boolean): Promise<void> => {
      const sealed = sealBytes(this.#key, Buffer.from(text), sectionContext(header, index, isLast))
      const length = Buffer.alloc(4)
      length.writeUInt32BE(sealed.length)
      await file.write([length, sealed])
      index += 1
    }
    let text = ''
    let sliceEnds = this.#clock.monotonic() + SLICE_MS
    for (const piece of piecesOf(copy)) {
      text += piece
      if (text.length >= SECTION_CHARS) {
        await writeSection(text, false)
        text = ''
      } else if (this.#clock.monotonic() < sliceEnds) continue
      else await turn()
      sliceEnds = this.#clock.monotonic() + SLICE_MS
    }
    await writeSection(text, true)
  }

  #path(slot: Slot): string {
    return join(this.#folder, `slot-${slot}`)
  }
}

/** Every section is sealed under this: the file's header, its own place, and whether the file ends with it. */
const sectionContext = (header: string, index: number, isLast: boolean): string =>
  `apiproxy node copy\n${header}\nsection ${index}${isLast ? ', the last' : ''}`

function* piecesOf({ snapshot, secrets, discovered }: NodeCopy): Generator<string> {
  yield `${JSON.stringify({ secrets: [...secrets], discovered: [...discovered] })}\n`
  yield* snapshotPieces(snapshot)
}

type SlotFile = Readonly<{ header: z.infer<typeof Header>; headerText: string; sections: Buffer }>

/** @returns null when there is no such file. */
async function readSlot(files: DiskFiles, path: string): Promise<Result<SlotFile, string> | null> {
  let bytes: Buffer
  try {
    bytes = await files.read(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    return code === 'ENOENT' ? null : err(`cannot be read: ${code}`)
  }
  const end = bytes.subarray(0, LONGEST_HEADER).indexOf('\n')
  const headerText = bytes.subarray(0, Math.max(0, end)).toString()
  let json: unknown
  try {
    json = JSON.parse(headerText)
  } catch {
    return err('not a node copy')
  }
  const header = Header.safeParse(json)
  if (!header.success) return err('not a node copy')
  if (header.data.format !== FORMAT)
    return err(`written in format ${header.data.format}, this build reads ${FORMAT}`)
  if (header.data.fold !== FOLD_VERSION)
    return err(`written by fold ${header.data.fold}, this build folds ${FOLD_VERSION}`)
  return ok({ header: header.data, headerText, sections: bytes.subarray(end + 1) })
}

function openSlot(key: Uint8Array, file: SlotFile): Result<NodeCopy, string> {
  const plain = openSections(key, file)
  if (!plain.ok) return plain
  const text = plain.value.toString()
  const end = text.indexOf('\n')
  // Sealed by a node with our key, so it is what we wrote: no need to hash every entity again.
  const snapshot = decodeSnapshot(text.slice(end + 1), false)
  if (!snapshot.ok) return err(`${snapshot.error.kind}: ${snapshot.error.detail}`)
  try {
    const extras = Extras.parse(JSON.parse(text.slice(0, end)))
    return ok({
      snapshot: snapshot.value,
      secrets: new Map(extras.secrets.map(([id, vaultText]) => [secretId(id), vaultText])),
      discovered: new Map(extras.discovered.map(([id, list]) => [providerId(id), list])),
    })
  } catch {
    return err('its first line was not understood')
  }
}

function openSections(key: Uint8Array, { headerText, sections }: SlotFile): Result<Buffer, string> {
  const plain: Buffer[] = []
  for (let offset = 0, isLast = false; !isLast;) {
    if (offset + 4 > sections.length) return err('ends early')
    const end = offset + 4 + sections.readUInt32BE(offset)
    if (end > sections.length) return err('ends early')
    isLast = end === sections.length
    const opened = openBytes(
      key,
      sections.subarray(offset + 4, end),
      sectionContext(headerText, plain.length, isLast),
    )
    if (!opened.ok) return opened
    plain.push(opened.value)
    offset = end
  }
  return ok(Buffer.concat(plain))
}
