/**
 * The record of one request: who asked for what, what was tried, what came of it and what it used up.
 *
 * Pure. Made by the node that served the request, once, when it is over; whoever stores it does so once by its
 * `id`. Holds no prompt, no answer and no secret; the session is told by a hash.
 */
import { z } from 'zod'
import { err, ok, type Result } from '../result.ts'
import { OUTCOMES } from '../telemetry/outcome.ts'
import { Choice } from './choice.ts'
import { TOKEN_KINDS, type Tokens } from './tokens.ts'

const count = z.number().nonnegative()
const name = z.string().max(300)

const counts: Readonly<Record<keyof Tokens, typeof count>> = {
  input: count,
  output: count,
  cacheRead: count,
  cacheWrite: count,
  cacheWriteLong: count,
  reasoning: count,
  inputAudio: count,
  outputAudio: count,
}

/** Of an attempt in the books: what became of it, or that its node died before anybody knew. */
export const RECORDED_OUTCOMES = [...OUTCOMES, 'lost'] as const

const Attempt = z.object({
  provider: name,
  /** As the provider knows it. */
  model: name,
  credential: name,
  /** In which dialect it was asked; empty: nodes did not say yet. */
  dialect: z.string().max(20).default(''),
  /** Why it was made there: see `contracts/routing/pick.ts` and `upstream/failover.ts`. */
  why: z.string().max(20),
  outcome: z.enum(RECORDED_OUTCOMES),
  /** Of a refusal; 0: none came, or an answer did. */
  status: z.int().min(0).max(999),
  /** To the first content (streams) or the status line, in milliseconds; null: none came. */
  firstMs: count.nullable(),
  totalMs: count,
})

/** A candidate as the first choice saw it. */
const Candidate = z.object({
  deployment: name,
  tier: z.number(),
  weight: count,
  factor: z.number(),
  share: z.number(),
  /** Why it could not be taken; null: it could. */
  out: z.string().max(20).nullable(),
  /** US dollars per million tokens, where prices decided and it had one. */
  cost: z.object({ input: z.number(), output: z.number() }).optional(),
})

/** What was remembered of the session: deployments it was bound to and came from. */
const Binding = z.object({
  bound: name.nullable(),
  home: name.nullable(),
  /** It could be served nowhere else. */
  isRequired: z.boolean(),
})

/** Candidates that a record has room for. */
export const MOST_CANDIDATES = 64

const Record = z.object({
  v: z.literal(1),
  /** `x-request-id` of the answer: unique over nodes and restarts. */
  id: z.string().min(1).max(100),
  node: name,
  /** When it arrived, in epoch milliseconds. */
  at: z.int().nonnegative(),
  key: name,
  /** What of the API was called: see `catalog/client-key.ts`; empty: nodes did not say yet. */
  endpoint: z.string().max(20).default(''),
  /** As the client wrote it; cut where it is too long. */
  asked: name,
  /** Of the route; empty: there is no such model. */
  model: name,
  /** Hash of the session and its key; null: none was named. */
  session: z.string().max(64).nullable(),
  stream: z.boolean(),
  /** Told to the client; 499: it had left; 500 also where the node died before the end. */
  status: z.int().min(100).max(999),
  totalMs: count,
  attempts: z.array(Attempt).max(64),
  /** Who answered; empty: nobody. */
  provider: name,
  /** As that provider knows it. */
  upstream: name,
  tokens: z.object(counts),
  /** Nobody counted all of it: see `upstream/spent.ts`. */
  isEstimated: z.boolean(),
  /** What explains the choice, and makes it possible again. */
  commit: z.int().nonnegative(),
  weights: z.int().nonnegative(),
  seed: z.int().nonnegative(),
  candidates: z.array(Candidate).max(MOST_CANDIDATES),
  /** Every choice made for it, in order, before each attempt. Absent: written by an earlier release. */
  choices: z.array(Choice).max(64).optional(),
  /** Candidates there were, where not all are here. */
  uncut: z.int().positive().optional(),
  binding: Binding.optional(),
  /** Streams of entities that the node held back at their earlier form. */
  held: z.array(name).max(20).optional(),
  warnings: z.array(z.string().max(500)).max(100),
  /** Of the budgets it was paid from (`leaseId`); absent: none. */
  leases: z.array(z.string().max(200)).max(100).optional(),
})

const Named = z.object({ id: z.string() })

export type UsageRecord = Readonly<z.infer<typeof Record>>
export type RecordedAttempt = UsageRecord['attempts'][number]
export type RecordedBinding = NonNullable<UsageRecord['binding']>

/** One line: records are kept line by line. */
export const encodeRecord = (record: UsageRecord): string => JSON.stringify(record)

export function decodeRecord(text: string): Result<UsageRecord, string> {
  try {
    const parsed = Record.safeParse(JSON.parse(text))
    return parsed.success ? ok(parsed.data) : err(z.prettifyError(parsed.error))
  } catch {
    return err('not JSON')
  }
}

/** Of a line that is a record, without the rest of it being looked at; null: it is none. */
export function idOfRecord(text: string): string | null {
  try {
    const parsed = Named.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data.id : null
  } catch {
    return null
  }
}

/** Whole tokens, as they are stored. */
export const roundedTokens = (tokens: Tokens): readonly number[] =>
  TOKEN_KINDS.map((kind) => Math.round(tokens[kind]))
