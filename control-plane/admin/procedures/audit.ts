/**
 * The audit: what was changed and by whom, what was asked and refused, and whether the log is whole.
 */
import { TRPCError } from '@trpc/server'
import { z } from 'zod'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { EVENT_TYPES } from '#contracts/catalog/event.ts'
import { stateDigest } from '#contracts/commit/digest.ts'
import { clientKeyStream, modelStream, providerStream } from '#contracts/ids.ts'
import { changedBetween, undone } from '../../audit/changed.ts'
import { diffCatalogs, type EntityDiff } from '../../audit/diff.ts'
import { writeSegment } from '../../audit/export.ts'
import { compareServed } from '../../audit/replay.ts'
import { marksOf, Refold, verifyAll, type LogCheck } from '../../audit/verify-all.ts'
import { entryWords } from '../../audit/words.ts'
import type { RevertCommand } from '../../commands/command.ts'
import type { AdminContext } from '../context.ts'
import { blame } from '../reports/blame.ts'
import { answered, procedure, refused, router } from '../trpc.ts'
import { carryOut, catalogAt, changing, type Change, type ChangeInput } from '../change.ts'
import { view as viewKey } from './keys.ts'
import { view as viewProvider } from './providers.ts'

const limit = z.int().min(1).max(200).default(50)
/** Commits in one segment of an export: its answer stays below some megabytes. */
const EXPORT_AT_ONCE = 1_000
const CHECKPOINTS_AT_ONCE = 1_000

const StreamText = z.string().min(1).max(300)
const streamOption = StreamText.optional().describe('provider-<id>, model-<name>, clientkey-<id> or system.')
const Time = z.iso.datetime({ offset: true })
const commitNo = z.int().min(0)

export const audit = router({
  list: procedure
    .meta({ description: 'Commits, newest first: who changed what, when and why.' })
    .input(
      z
        .strictObject({
          before: z
            .int()
            .min(1)
            .optional()
            .describe('Only commits below this number: `next` of the page before.'),
          limit,
          actor: z.string().min(1).max(200).optional().describe('Id or kind of who did it.'),
          stream: streamOption,
          type: z.enum(EVENT_TYPES).optional().describe('Event type.'),
          since: Time.optional().describe('Only commits made then or later: 2026-11-28T09:00:00Z.'),
          until: Time.optional().describe('Only commits made before.'),
        })
        .prefault({}),
    )
    .query(async ({ ctx, input }) => {
      const { since, until, limit: most, ...filter } = input
      const times = { since: epochMs(since), until: epochMs(until) }
      const found = await answered(ctx.trail.list({ ...filter, ...times, limit: most + 1 }))
      const commits = found.slice(0, most).map((entry) => ({ ...entry, words: entryWords(entry) }))
      return { commits, next: found.length > most ? (commits.at(-1)?.commitNo ?? null) : null }
    }),

  diff: procedure
    .meta({ description: 'What changed between two commits, in words.' })
    .input(
      z.strictObject({
        from: commitNo.describe('State before: the commit it is after; 0 is the empty beginning.'),
        to: commitNo.describe('State after.'),
        stream: streamOption,
      }),
    )
    .query(async ({ ctx, input }) => {
      const [before, after] = [await stateAt(ctx, input.from, 'from'), await stateAt(ctx, input.to, 'to')]
      const diffs = diffCatalogs(before, after)
      return {
        from: input.from,
        to: input.to,
        entities: diffs.filter(({ stream }) => input.stream === undefined || stream === input.stream),
      }
    }),

  stateAt: procedure
    .meta({ description: 'The configuration as it was after a commit, or at a time: whole, or one entity.' })
    .input(
      z.strictObject({
        commit: commitNo.optional(),
        time: Time.optional().describe('The last commit made then or before: 2026-11-28T09:00:00Z.'),
        stream: streamOption,
      }),
    )
    .query(async ({ ctx, input }) => {
      const at = await commitOf(ctx, input)
      const catalog = await stateAt(ctx, at, 'commit')
      return { commitNo: at, digest: stateDigest(catalog), ...viewState(catalog, input.stream) }
    }),

  replay: procedure
    .meta({
      description:
        'Fold the log again from its first commit, every link checked, and compare the state with what nodes served.',
    })
    .input(z.strictObject({ commit: commitNo.min(1).optional().describe('Default: the head.') }).prefault({}))
    .query(({ ctx, input, signal }) => replay(ctx, input.commit, signal)),

  verify: procedure
    .meta({
      description:
        'Read the whole log again and check every link of its chain. With --file: check an export, asking nobody.',
    })
    .query(({ ctx, signal }) => verifyLog(ctx, signal)),

  revert: procedure
    .meta({
      description:
        'Undo commits by another commit: what they changed becomes what it was before. Try it with --dry-run.',
    })
    .input(
      z.strictObject({
        commit: commitNo.min(1).describe('The commit to undo, or the first of several.'),
        through: commitNo.min(1).optional().describe('The last commit to undo. Default: only the one.'),
        stream: streamOption,
        ...changing,
      }),
    )
    .mutation(({ ctx, input }) => revert(ctx, input)),

  checkpoints: procedure
    .meta({ description: 'Signed statements of where the log was, and the public key to check them with.' })
    .input(
      z
        .strictObject({
          after: commitNo
            .default(0)
            .describe('Only statements about later commits: `next` of the page before.'),
          limit: z.int().min(1).max(CHECKPOINTS_AT_ONCE).default(100),
        })
        .prefault({}),
    )
    .query(async ({ ctx, input }) => {
      const found = await answered(ctx.past.checkpoints(input.after, input.limit + 1))
      const checkpoints = found.slice(0, input.limit)
      const last = marksOf(checkpoints, ctx.signer.verifier).marks.at(-1)
      return {
        checkpoints,
        publicKey: ctx.signer.verifier.publicKey,
        next: found.length > input.limit ? (last?.[0] ?? null) : null,
      }
    }),

  export: procedure
    .meta({
      description:
        'The log as NDJSON with signed manifests, for `apiproxy audit verify --file`: one segment an answer.',
    })
    .input(
      z
        .strictObject({
          from: commitNo.min(1).default(1).describe('First commit of the export.'),
          through: commitNo.min(1).optional().describe('Last commit of the export. Default: the head.'),
          next: commitNo.min(1).optional().describe('Where this segment begins: `next` of the one before.'),
        })
        .prefault({}),
    )
    .query(async ({ ctx, input }) => {
      const { from, through = ctx.ledger.catalog.commit, next: first = from } = input
      const { genesis } = await catalogAt(ctx, Math.max(through, first), 'through')
      const most = Math.min(EXPORT_AT_ONCE, Math.max(0, through - first + 1))
      const records = await answered(ctx.log.read(first - 1, most))
      const extent = { logId: genesis?.logId ?? '', from, through, at: ctx.clock.now() }
      const last = records.at(-1)?.wire.commit ?? first - 1
      const lines = writeSegment(extent, records, ctx.signer)
      return {
        ndjson: lines.map((line) => `${line}\n`).join(''),
        from,
        through,
        next: last < through && records.length > 0 ? last + 1 : null,
        publicKey: ctx.signer.verifier.publicKey,
      }
    }),

  blame,

  calls: procedure
    .meta({ description: 'Calls of this API, newest first, allowed and refused.' })
    .input(
      z
        .strictObject({
          before: z.int().min(1).optional().describe('Only calls below this id: `next` of the page before.'),
          limit,
          outcome: z.enum(['ok', 'refused', 'denied', 'failed']).optional(),
        })
        .prefault({}),
    )
    .query(async ({ ctx, input }) => {
      await ctx.calls.flush()
      const found = await answered(ctx.calls.recent({ ...input, limit: input.limit + 1 }))
      const calls = found.slice(0, input.limit)
      return {
        calls,
        next: found.length > input.limit ? (calls.at(-1)?.id ?? null) : null,
        /** Records lost since this process began, because they could not be written for too long. */
        dropped: ctx.calls.dropped,
      }
    }),
})

type RevertInput = ChangeInput &
  Readonly<{ commit: number; through?: number | undefined; stream?: string | undefined }>

async function revert(
  ctx: AdminContext,
  input: RevertInput,
): Promise<Change & Readonly<{ changes: readonly EntityDiff[] }>> {
  const { commit, through = commit, stream } = input
  const invalid = (path: string, message: string): TRPCError =>
    refused({ kind: 'invalid', issues: [{ path, message }] })
  if (through < commit) throw invalid('through', 'is before commit')
  const [before, after] = [await stateAt(ctx, commit - 1, 'commit'), await stateAt(ctx, through, 'through')]
  const { entities, untouchable } = changedBetween(before, after, stream)
  if (entities.length === 0) {
    throw invalid(
      'commit',
      untouchable ? 'changed the system alone, which only goes forward' : 'changed nothing of that',
    )
  }
  await refuseLostSecrets(ctx, entities)
  const range = through === commit ? `commit ${commit}` : `commits ${commit} to ${through}`
  const command = { type: 'RevertCommits', entities } as const
  const change = await carryOut(ctx, { ...input, reason: input.reason ?? `revert of ${range}` }, { command })
  const streams = new Set(entities.map(({ wanted }) => wanted.stream))
  const changes = diffCatalogs(after, undone(after, entities)).filter((diff) => streams.has(diff.stream))
  return { ...change, changes }
}

/** A secret that the vault forgot cannot be brought back, and a credential without one would only fail. */
async function refuseLostSecrets(ctx: AdminContext, entities: RevertCommand['entities']): Promise<void> {
  const ids = entities.flatMap(({ wanted }) =>
    wanted.kind === 'provider' ? (wanted.entity?.credentials ?? []).map(({ secretId }) => secretId) : [],
  )
  const kept = await answered(ctx.log.secrets(ids))
  const issues = ids
    .filter((id) => !kept.has(id))
    .map((id) => ({ path: 'commit', message: `secret ${id} is not in the vault any more` }))
  if (issues.length > 0) throw refused({ kind: 'invalid', issues })
}

const epochMs = (time: string | undefined): number | undefined =>
  time === undefined ? undefined : Date.parse(time)

async function commitOf(
  ctx: AdminContext,
  { commit, time }: Readonly<{ commit?: number | undefined; time?: string | undefined }>,
): Promise<number> {
  if (commit !== undefined && time !== undefined) {
    const message = 'is given beside commit: name one of them'
    throw refused({ kind: 'invalid', issues: [{ path: 'time', message }] })
  }
  if (time !== undefined) return answered(ctx.past.commitAt(Date.parse(time)))
  return commit ?? ctx.ledger.catalog.commit
}

async function stateAt(ctx: AdminContext, commit: number, path: string): Promise<Catalog> {
  await catalogAt(ctx, commit, path)
  return answered(ctx.history.at(commit))
}

/** The same views as the other procedures give: secrets by their fingerprints alone. */
function viewState(catalog: Catalog, stream: string | undefined) {
  const isAsked = (own: string): boolean => stream === undefined || stream === own
  return {
    epoch: catalog.epoch,
    providers: [...catalog.providers.values()]
      .filter(({ id }) => isAsked(providerStream(id)))
      .map(viewProvider),
    models: [...catalog.models.values()].filter(({ name }) => isAsked(modelStream(name))),
    keys: [...catalog.keys.values()].filter(({ id }) => isAsked(clientKeyStream(id))).map(viewKey),
    frozen: [...catalog.frozen]
      .filter(([own]) => isAsked(own))
      .map(([own, why]) => ({ stream: own, ...why })),
  }
}

async function readWhole<Value>(work: Promise<Value>, signal: AbortSignal | undefined) {
  try {
    return await answered(work)
  } catch (error) {
    if (signal?.aborted !== true) throw error
    throw new TRPCError({ code: 'CLIENT_CLOSED_REQUEST', message: 'the caller hung up' })
  }
}

async function verifyLog(ctx: AdminContext, signal: AbortSignal | undefined): Promise<LogCheck> {
  // What this process has seen, what the database says of itself, and what was signed on the way: the log
  // must lead to all of it.
  const { catalog, chain } = ctx.ledger.snapshot
  const head = await answered(ctx.log.head())
  const signed = await signedMarks(ctx)
  const marks = new Map([...signed.marks, [catalog.commit, chain], [head.commit, head.chain]])
  const read = ctx.log.read.bind(ctx.log)
  const check = await readWhole(verifyAll(read, marks, signal), signal)
  return {
    ...check,
    ok: check.ok && signed.forged === 0,
    checkpoints: signed.marks.length,
    forged: signed.forged,
  }
}

async function signedMarks(ctx: AdminContext): Promise<ReturnType<typeof marksOf>> {
  const marks: (readonly [number, string])[] = []
  let forged = 0
  for (let after = 0; ;) {
    const page = await answered(ctx.past.checkpoints(after, CHECKPOINTS_AT_ONCE))
    const opened = marksOf(page, ctx.signer.verifier)
    marks.push(...opened.marks)
    forged += opened.forged
    const last = opened.marks.at(-1)?.[0]
    if (page.length < CHECKPOINTS_AT_ONCE || last === undefined) return { marks, forged }
    after = last
  }
}

async function replay(ctx: AdminContext, asked: number | undefined, signal: AbortSignal | undefined) {
  const commit = asked ?? ctx.ledger.catalog.commit
  await catalogAt(ctx, commit, 'commit')
  const refold = new Refold()
  const chain = (await answered(ctx.past.chainAt(commit))) ?? ''
  const read = ctx.log.read.bind(ctx.log)
  const check = await readWhole(verifyAll(read, new Map([[commit, chain]]), signal, refold.take), signal)
  if (!check.ok) return { ...check, commit, digest: null, nodes: [] }
  const digest = stateDigest(refold.catalog)
  const [statement] = await answered(ctx.past.checkpoints(commit - 1, 1))
  const kept = await answered(ctx.past.served(commit))
  const known = { ledger: ctx.ledger.digestAt(commit), statement, verifier: ctx.signer.verifier }
  const compared = compareServed({ commit, digest, kept, live: ctx.fleet.list(), ...known })
  return { ...check, ok: compared.ok, commit, digest, checkpoint: compared.checkpoint, nodes: compared.nodes }
}
