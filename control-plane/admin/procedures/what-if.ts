/**
 * What if: recorded traffic run through a configuration that is not, before it is made.
 */
import { setImmediate } from 'node:timers/promises'
import { TRPCError } from '@trpc/server'
import { z } from 'zod'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { modelStream, providerStream, modelName, providerId } from '#contracts/ids.ts'
import { diffCatalogs } from '../../audit/diff.ts'
import type { Issue } from '../../commands/rejection.ts'
import { limitsOf } from '../../what-if/limits.ts'
import { MOST_COUNTED, readWindow, type PastWindow } from '../../what-if/read-window.ts'
import { Sketch } from '../../what-if/sketch.ts'
import { WhatIf, type Prediction } from '../../what-if/what-if.ts'
import { AUTHORITY } from '../authority.ts'
import type { AdminContext } from '../context.ts'
import { changing } from '../change.ts'
import { declaring, readThought } from '../declared.ts'
import { models } from './models.ts'
import { providers } from './providers.ts'
import { answered, createCallerFactory, procedure, refusalData, refused, router } from '../trpc.ts'

const HOUR_MS = 3_600_000
const MOST_HOURS = 168
const MOST_CHANGES = 50
/** Requests made again before others have their turn: some milliseconds of work. */
const AT_ONCE = 500

const Changed = z.strictObject({
  procedure: z.string().max(100).describe('`models.setWeights`'),
  input: z.record(z.string(), z.unknown()).describe('Its input; expectedVersion may be left out.'),
})
type Changed = z.infer<typeof Changed>

const input = z
  .strictObject({
    yaml: declaring.yaml.optional(),
    variables: declaring.variables,
    retireOthers: declaring.retireOthers,
    changes: z
      .array(Changed)
      .max(MOST_CHANGES)
      .default([])
      .describe('Changes of models and providers, one after the other, on top of the file.'),
    hours: z.number().positive().max(MOST_HOURS).default(6).describe('How far back, from `to`.'),
    to: z.int().min(0).optional().describe('Epoch milliseconds, not included. Absent: now.'),
    commandId: changing.commandId,
  })
  .prefault({})

type Asked = z.infer<typeof input>

export const whatIf = procedure
  .meta({
    description:
      'What the requests of the last hours would have become under a file or changes: shares, times, errors and cost. Writes nothing.',
  })
  .input(input)
  .mutation(async ({ ctx, input: asked }) => {
    if (busy.has(ctx.usage)) {
      const message = 'another what-if is being answered; try again after it'
      throw new TRPCError({ code: 'TOO_MANY_REQUESTS', message })
    }
    busy.add(ctx.usage)
    try {
      return await answer(ctx, asked)
    } finally {
      busy.delete(ctx.usage)
    }
  })

/** Books that are being read: one answer at a time, because each holds all that it read. */
const busy = new WeakSet<AdminContext['usage']>()

async function answer(ctx: AdminContext, asked: Asked) {
  await answered(ctx.ledger.catchUp())
  const now = ctx.clock.now()
  const { to = now, hours } = asked
  const from = Math.max(0, Math.round(to - hours * HOUR_MS))
  const { snapshot } = ctx.ledger
  const { changed, left } = await changedBy(ctx, new Sketch(snapshot), asked)
  const window = await answered(readWindow({ usage: ctx.usage, tables: ctx.weightTables }, from, to))
  const { recorded, times, requests, unused, movesSince } = window
  if (recorded === null) {
    const message = `more than ${MOST_COUNTED} requests are too many: choose a shorter time`
    throw refused({ kind: 'invalid', issues: [{ path: 'hours', message }] })
  }
  const prediction = await predicted(ctx, window, snapshot.catalog, changed, now)
  ctx.note.detail = `${requests.length} requests made again on commit ${snapshot.catalog.commit}`
  return {
    commitNo: snapshot.catalog.commit,
    from,
    to,
    /** What would be changed, in words. */
    entities: diffCatalogs(snapshot.catalog, changed).filter(({ stream }) => stream !== 'system'),
    requests: {
      recorded,
      /** Each one that was read stands for so many. */
      times,
      used: requests.length,
      /** Of all that were recorded, not of those that were read alone. */
      unused: [...unused].map(([why, number]) => ({ why, requests: number })),
    },
    total: prediction.total,
    models: prediction.models,
    targets: prediction.targets,
    limits: [
      ...limitsOf({ prediction, times, movesSince, present: snapshot.catalog, changed, now }),
      ...left,
    ],
  }
}

async function predicted(
  { discovery }: AdminContext,
  { requests, moves, times }: PastWindow,
  present: Catalog,
  changed: Catalog,
  now: number,
): Promise<Prediction> {
  const known = {
    seen: (id: Parameters<typeof discovery.standing>[0]) => {
      const standing = discovery.standing(id)
      return standing === null ? null : { models: standing.list?.models ?? null, problem: standing.problem }
    },
    pricesAt: now,
  }
  const sides = { present: { ...known, catalog: present }, changed: { ...known, catalog: changed } }
  const whatIfSo = new WhatIf({ ...sides, requests, moves, times })
  for (let at = 0; at < requests.length; at += AT_ONCE) {
    whatIfSo.make(at, at + AT_ONCE)
    await setImmediate()
  }
  return whatIfSo.prediction
}

/** The configuration as it would be. Throws what is refused, by its path in the input. */
async function changedBy(
  ctx: AdminContext,
  sketch: Sketch,
  { yaml, variables, retireOthers, changes }: Asked,
): Promise<Readonly<{ changed: Catalog; left: readonly string[] }>> {
  const left: string[] = []
  if (yaml !== undefined) {
    const thought = await readThought(ctx, { yaml, variables, retireOthers })
    const decided = sketch.take(thought.command)
    if (!decided.ok) throw refused(decided.error)
    left.push(...thought.left, NO_BEARING)
  }
  for (const [at, change] of changes.entries()) await make(ctx, sketch, change, `changes[${at}]`)
  return { changed: sketch.catalog, left }
}

const NO_BEARING =
  'Of the keys of a file only their providers have a bearing on where requests go: one that it suspends is taken to work. Of its budgets, limits and credentials nothing has.'

const changeable = router({ models, providers })
/** Asks a provider; changes nothing. */
const NO_CHANGE = 'providers.test'
const CHANGES: ReadonlySet<string> = new Set(
  [...AUTHORITY.keys()].filter(
    (path) => /^(models|providers)\./.test(path) && AUTHORITY.get(path) === 'write' && path !== NO_CHANGE,
  ),
)
const callerOf = createCallerFactory(changeable)

async function make(
  ctx: AdminContext,
  sketch: Sketch,
  { procedure: path, input: given }: Changed,
  at: string,
) {
  if (!CHANGES.has(path)) {
    const message = `is no change of models or providers: ${[...CHANGES].join(', ')}`
    throw refused({ kind: 'invalid', issues: [{ path: `${at}.procedure`, message }] })
  }
  // Nothing is changed, so nothing is recorded but that it was asked.
  const paper = {
    ...ctx,
    ledger: sketch,
    calls: NO_CALLS,
    note: { begun: false, written: false, detail: '' },
  }
  const call = path.split('.').reduce<unknown>(memberOf, callerOf(paper))
  if (typeof call !== 'function') throw new TypeError(`${path} cannot be called`)
  try {
    await Reflect.apply(call, undefined, [{ ...versionOf(sketch, path, given), ...given }])
  } catch (error) {
    throw error instanceof TRPCError ? refusedAt(error, at) : error
  }
}

const NO_CALLS = {
  record: () => undefined,
  recordLook: async () => undefined,
  flush: async () => undefined,
  recent: async () => [],
  held: 0,
  dropped: 0,
}

const memberOf = (value: unknown, name: string): unknown => Reflect.get(Object(value), name)

/** The version that there is: nobody can have seen another one of what is only on paper. */
function versionOf(
  { catalog }: Sketch,
  path: string,
  { id, name }: Changed['input'],
): Readonly<{ expectedVersion?: number }> {
  if (path === 'models.create' || path === 'providers.register') return {}
  const stream = path.startsWith('models.')
    ? modelStream(modelName(String(name)))
    : providerStream(providerId(String(id)))
  return { expectedVersion: catalog.versions.get(stream) ?? 1 }
}

function refusedAt(error: TRPCError, at: string): TRPCError {
  const { code, message } = error
  if (code === 'SERVICE_UNAVAILABLE' || code === 'INTERNAL_SERVER_ERROR') return error
  const told = refusalData(error).issues.map((one): Issue => {
    return { path: one.path === '' ? at : `${at}.input.${one.path}`, message: one.message }
  })
  return refused({ kind: 'invalid', issues: told.length > 0 ? told : [{ path: at, message }] })
}
