/**
 * The zoo: bugs as people make them, each planted by changing the product's source while it is loaded. A world
 * that does not find one of them is a world that sees too little.
 */
import type { Change } from '../release/releases.ts'

export type Bug = Readonly<{
  name: string
  what: string
  changes: readonly Change[]
  /** Only seen while releases are mixed. */
  isMixed?: true
}>

const bug = (name: string, what: string, ...changes: readonly Change[]): Bug => ({ name, what, changes })
const mixed = (name: string, what: string, ...changes: readonly Change[]): Bug => ({
  ...bug(name, what, ...changes),
  isMixed: true,
})
const change = (file: string, find: string, put: string): Change => ({ file, find, put })

const CURSOR = 'data-plane/sync/cursor.ts'
const CHAIN = 'contracts/commit/chain.ts'
const COPY = 'data-plane/sync/disk/disk-copy.ts'
const PUBLISH = 'data-plane/sync/publish.ts'
const LEDGER = 'control-plane/commands/ledger.ts'
const RELAY = 'control-plane/relay/relay.ts'
const TABLE = 'contracts/weights/table.ts'

const linkUnchecked = change(
  CHAIN,
  "return wire.prev === prev ? ok(true) : err('not_next_link')",
  'return ok(true)',
)
const relayRemembers = [
  change(
    RELAY,
    'const range = await this.#openStream(epoch, commit)',
    'const range = (this.kept = this.kept?.epoch === epoch ? this.kept : { epoch, ...(await this.#openStream(epoch, commit)) })',
  ),
  change(
    RELAY,
    'const stored = await this.#write(epoch, wires)',
    'const stored = await this.#write(epoch, wires)\n      range.last += stored',
  ),
]

const FOLLOWING: readonly Bug[] = [
  bug(
    'no-gap-check',
    'a commit is taken whatever its number and its link',
    change(CURSOR, 'if (wire.commit > at.commit + 1) {', 'if (Math.random() > 2) {'),
    linkUnchecked,
  ),
  bug('link-unchecked', 'the next number is taken for the next link', linkUnchecked),
  bug(
    'commit-unsigned',
    'whoever can speak on the bus can change the configuration',
    change(
      'contracts/commit/signed.ts',
      "return text === null ? err('not signed by this installation') : decodeCommit(text)",
      "return decodeCommit(text ?? signed.slice(signed.indexOf('{')))",
    ),
  ),
  bug(
    'digest-unchecked',
    'a snapshot is taken as it came',
    change(
      'contracts/commit/snapshot.ts',
      'if (verify && stateDigest(catalog) !== digest)',
      "if (verify && digest === '')",
    ),
  ),
  bug(
    'older-snapshot-taken',
    'a snapshot of a shorter log is taken',
    change(CURSOR, 'return isUseful ?', 'return isUseful || !isFork ?'),
  ),
  bug(
    'queue-outlives-snapshot',
    'commits that waited are folded onto a snapshot that holds them',
    change(PUBLISH, 'this.#held = snapshot\n    this.#queue = []', 'this.#held = snapshot'),
  ),
  bug(
    'empty-table-at-boot',
    'a node without a copy serves an empty table until it has one',
    change(
      'data-plane/sync/follow-catalog.ts',
      'this.#subscriptions.push(\n      bus.subscribe(subjects.head',
      "if (copy === null) this.#publisher.take({ catalog: { commit: 0, epoch: 1, genesis: null, floor: 0, providers: new Map(), models: new Map(), keys: new Map(), budgets: new Map(), versions: new Map(), frozen: new Map() }, chain: '0'.repeat(64), digest: '0'.repeat(64) })\n    this.#subscriptions.push(\n      bus.subscribe(subjects.head",
    ),
  ),
  bug(
    'revoked-key-served',
    'a revoked key is let in',
    change(
      'data-plane/admission/principal.ts',
      "if (principal.state === 'revoked') return err({ code: 'revoked_api_key' })",
      '',
    ),
  ),
  bug(
    'keys-cached-for-ever',
    'a key that was seen is never looked up again',
    change(
      'data-plane/admission/principal.ts',
      'if (snapshot.keys !== this.#keys || this.#seen.size > REMEMBERED) {',
      'if (this.#seen.size > REMEMBERED) {',
    ),
  ),
]

const DISK: readonly Bug[] = [
  bug(
    'ack-before-persist',
    'a revocation is acknowledged before it is on disk',
    change(PUBLISH, 'if (attempted.serial >= this.#urgentSerial)', 'if (attempted.serial >= 0)'),
  ),
  bug(
    'persisted-before-written',
    'a copy counts as written when its writing begins',
    change(
      'data-plane/sync/disk/keep-copy.ts',
      '      await disk.save(copy)\n      this.#persisted = commit()\n',
      '      this.#persisted = commit()\n      onAttempt()\n      await disk.save(copy)\n',
    ),
  ),
  bug(
    'copy-not-atomic',
    'the one copy there is is written over in place',
    change(
      COPY,
      'await using file = await files.create(`${path}.tmp`)',
      'await using file = await files.create(path)',
    ),
    change(COPY, '    await files.rename(`${path}.tmp`, path)\n', ''),
    change(COPY, "this.#sequence += 1\n    this.#next = slot === 'a' ? 'b' : 'a'", 'this.#sequence += 1'),
    change(
      COPY,
      "this.#next = slot === 'a' ? 'b' : 'a'\n        return",
      'this.#next = slot\n        return',
    ),
  ),
  bug(
    'copy-not-synced',
    'a copy is renamed before its bytes are durable',
    change(COPY, '      await file.sync()\n', ''),
  ),
  bug(
    'folder-not-synced',
    'a copy’s new name is not durable',
    change(COPY, '    await files.syncFolder(this.#folder)\n', ''),
  ),
  bug(
    'older-slot-loaded',
    'of two copies the older one is loaded',
    change(
      COPY,
      'other.file.header.sequence - one.file.header.sequence',
      'one.file.header.sequence - other.file.header.sequence',
    ),
  ),
]

const LOG: readonly Bug[] = [
  bug(
    'command-id-unsent',
    'a command sent again is carried out again',
    change(
      LEDGER,
      'expectedHead: this.#held.catalog.commit,\n      commandId,',
      'expectedHead: this.#held.catalog.commit,\n      commandId: `${commandId} ${this.#held.catalog.commit}`,',
    ),
  ),
  bug(
    'ack-before-commit',
    'an append whose outcome is not known is acknowledged',
    change(
      LEDGER,
      'const result = await this.#log.append(this.#appendInput(request, decision.value, outcome))',
      "const next = this.#held.catalog.commit + 1; const result = await this.#log.append(this.#appendInput(request, decision.value, outcome)).catch(() => ({ kind: 'replayed', commit: next, response: canonical(outcome) }))",
    ),
  ),
  bug(
    'sorted-by-time',
    'commits are put in the order of the clocks that wrote them',
    change(
      LEDGER,
      'for (const wire of wires) {',
      'for (const wire of wires.toSorted((a, b) => a.at - b.at)) {',
    ),
  ),
  bug('relay-keeps-a-cursor', 'the relay does not look at what the stream has lost', ...relayRemembers),
  bug(
    'false-ack-believed',
    'the relay goes on after an acknowledgement of something else',
    ...relayRemembers,
    change(
      'contracts/bus/stream-answers.ts',
      "(ack.seq === commit && !ack.duplicate ? 'stored' : 'conflict')",
      "(commit > 0 ? 'stored' : 'conflict')",
    ),
  ),
  bug(
    'relay-stands-at-a-hole',
    'the relay waits for a message that the broker has lost',
    change(
      RELAY,
      'if (text !== null) return (await',
      "if (text === null) throw new BusUnavailable('cannot be read')\n      return (await",
    ),
  ),
]

const WEIGHTS: readonly Bug[] = [
  bug(
    'older-weights-taken',
    'a weight table is taken whatever its number',
    change(
      TABLE,
      'return held === null || next.epoch > held.epoch || (next.epoch === held.epoch && next.seq > held.seq)',
      'return held === null || next.epoch >= 0',
    ),
  ),
  bug(
    'weights-without-epoch',
    'tables are ordered by their count alone',
    change(
      TABLE,
      'return held === null || next.epoch > held.epoch || (next.epoch === held.epoch && next.seq > held.seq)',
      'return held === null || next.seq > held.seq',
    ),
  ),
  bug(
    'weights-unsigned',
    'a weight table is taken from anybody',
    change(
      TABLE,
      "if (!isMacOf(signed.mac, signed.table, key)) return err('wrong signature')",
      "if (!isMacOf(signed.mac, signed.table, key) && signed.mac.length > 1_000) return err('wrong signature')",
    ),
  ),
  bug(
    'weights-count-again',
    'the prober’s count begins again under the same epoch',
    change(
      'prober/publish.ts',
      'epoch === this.#epoch ? this.#seq + 1 : 1',
      'epoch === this.#epoch ? (this.#seq % 5) + 1 : 1',
    ),
  ),
  bug(
    'lease-without-compare',
    'a prober takes the lease without looking who has it',
    change(
      'prober/lease.ts',
      'encode({ holder: this.#ports.holder, epoch }), expected)',
      "encode({ holder: this.#ports.holder, epoch }), expected < 0 ? expected : 'any')",
    ),
  ),
]

const RELEASES: readonly Bug[] = [
  mixed(
    'unknown-event-skipped',
    'an event of a later release is passed over, and what follows is folded onto it',
    change(
      'contracts/catalog/fold.ts',
      'draft.frozen.write.set(event.stream, {',
      'new Map<unknown, unknown>().set(event.stream, {',
    ),
  ),
  mixed(
    'node-below-floor',
    'a node goes on beyond the floor',
    change(CURSOR, 'if (minFold > FOLD_VERSION) {', 'if (minFold > FOLD_VERSION + 9) {'),
  ),
  mixed(
    'control-below-floor',
    'a control plane decides beyond the floor',
    change(LEDGER, 'if (minFold > FOLD_VERSION) {', 'if (minFold > FOLD_VERSION + 9) {'),
  ),
  mixed(
    'other-fold-gives-up',
    'a node of another release does not fold the log itself',
    change(
      'data-plane/sync/follow-catalog.ts',
      "if (decoded.ok || decoded.error.kind !== 'other_fold_version') return decoded",
      'if (decoded.ok || decoded.error.kind !== null) return decoded',
    ),
  ),
]

export const BUGS: readonly Bug[] = [...FOLLOWING, ...DISK, ...LOG, ...WEIGHTS, ...RELEASES]
