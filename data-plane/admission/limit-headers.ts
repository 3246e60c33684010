/**
 * Our limits in the names that a client's SDK reads. The upstream's own are nobody's business but ours.
 *
 * Pure.
 */
import type { Level } from './counters.ts'

type Names = Readonly<{
  name: (kind: 'requests' | 'tokens', what: 'limit' | 'remaining' | 'reset') => string
  reset: (ms: number, now: number) => string
}>

const OPENAI: Names = {
  name: (kind, what) => `x-ratelimit-${what}-${kind}`,
  reset: duration,
}

const ANTHROPIC: Names = {
  name: (kind, what) => `anthropic-ratelimit-${kind}-${what}`,
  reset: (ms, now) => new Date(Math.ceil((now + ms) / 1_000) * 1_000).toISOString().replace('.000Z', 'Z'),
}

export const openaiLimitHeaders = (levels: readonly Level[], now: number): readonly string[] =>
  written(levels, now, OPENAI)

export const anthropicLimitHeaders = (levels: readonly Level[], now: number): readonly string[] =>
  written(levels, now, ANTHROPIC)

/** Of a key's limit and a model's, the one with less left is told. */
function written(levels: readonly Level[], now: number, names: Names): readonly string[] {
  return (['requests', 'tokens'] as const).flatMap((kind) => {
    const [level] = levels
      .filter((one) => one.kind === kind)
      .toSorted((one, other) => remaining(one) - remaining(other))
    if (level === undefined) return []
    const told = { limit: String(level.limit), remaining: String(remaining(level)) }
    return [
      names.name(kind, 'limit'),
      told.limit,
      names.name(kind, 'remaining'),
      told.remaining,
      names.name(kind, 'reset'),
      names.reset(level.resetMs, now),
    ]
  })
}

const remaining = ({ limit, used }: Level): number => Math.max(0, Math.floor(limit - used))

/** As OpenAI writes it: `120ms`, `1.5s`, `1m0s`. */
function duration(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)}ms`
  if (ms <= 59_900) return `${Math.ceil(ms / 100) / 10}s`
  const seconds = Math.ceil(ms / 1_000)
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`
}
