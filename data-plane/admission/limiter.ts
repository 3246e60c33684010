/**
 * Lets requests in as far as the limits of their key and their model go. Counted for the whole fleet where
 * that can be done; where it cannot, each node keeps to its share. A request without limits costs nothing.
 */
import type { Limits } from '#contracts/catalog/limits.ts'
import type { Problem } from '#contracts/errors.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { Roster, type Member } from '#contracts/roster.ts'
import type { Principal, Route } from '../routing/snapshot.ts'
import {
  RENEW_MS,
  type Entry,
  type Level,
  type LimitCounters,
  type LimitKind,
  type Meter,
  type Verdict,
} from './counters.ts'
import { shareOf, tokensOfAnswer, tokensOfBody } from './limits.ts'
import { MeterTable } from './meters.ts'

export type LimiterPorts = Readonly<{
  counters: LimitCounters
  clock: Pick<Clock, 'monotonic'>
  /** Nodes of the fleet that are alive, this one included. */
  nodes: () => number
}>

export type Asked = Readonly<{ id: string; principal: Principal; route: Route; bytes: number }>

/** A request that was let in. */
export type Permit = Readonly<{
  /** Where its limits stand. */
  levels: readonly Level[]
  /** What the request and its answer cost, as the provider counted it. The last word counts. */
  onUsage: (inputTokens: number, outputTokens: number) => void
  /** Once, whatever became of it. Where no usage was told, it is estimated from the answer's bytes. */
  end: (answerBytes: number, isStream: boolean) => void
}>

/** Why a request was not let in. */
export type Limited = Readonly<{ problem: Problem; levels: readonly Level[] }>

type LetIn = Member & Readonly<{ entry: Entry }>

export class Limiter implements Disposable {
  /** Refused, by the kind of the limit. */
  readonly refused: Record<LimitKind, number> = { requests: 0, tokens: 0, concurrency: 0 }
  readonly #ports: LimiterPorts
  /** All that this node let in, whoever counted it, so that its share is known when it is on its own. */
  readonly #own: MeterTable
  readonly #underWay = new Roster<LetIn>()
  readonly #renewal: NodeJS.Timeout
  #shares = 0

  constructor(ports: LimiterPorts) {
    this.#ports = ports
    this.#own = new MeterTable(ports.clock)
    this.#renewal = setInterval(
      () => ports.counters.renew(this.#underWay.members.map(({ entry }) => entry)),
      RENEW_MS,
    )
    this.#renewal.unref()
  }

  /** Requests that this node judged by its own share, since the start. */
  get shares(): number {
    return this.#shares
  }

  /** @returns null when nothing limits the request. */
  admit({ id, principal, route, bytes }: Asked): Promise<Result<Permit, Limited>> | null {
    if (principal.limits === null && route.limits === null) return null
    const meters = [
      ...meter(`key\n${principal.keyId}`, principal.limits),
      ...meter(`model\n${route.model}`, route.limits),
    ]
    return this.#enter({ id, meters, tokens: tokensOfBody(bytes) })
  }

  [Symbol.dispose](): void {
    clearInterval(this.#renewal)
  }

  async #enter(entry: Entry): Promise<Result<Permit, Limited>> {
    const shared = await this.#ports.counters.enter(entry)
    if (shared === null) this.#shares += 1
    const verdict = shared ?? this.#own.enter(this.#share(entry))
    if (verdict.kind === 'out') return err(this.#refuse(verdict))
    const piece = shared === null ? verdict.piece : this.#own.count(entry)
    const letIn: LetIn = { entry, place: -1 }
    this.#underWay.add(letIn)
    return ok(this.#permit(letIn, verdict, piece, shared === null))
  }

  #permit(
    letIn: LetIn,
    { levels, piece }: Verdict & { kind: 'in' },
    ownPiece: number,
    isOwn: boolean,
  ): Permit {
    const { entry } = letIn
    let tokens: number | null = null
    let isOver = false
    return {
      levels,
      onUsage: (input, output) => {
        tokens = input + output
      },
      end: (answerBytes, isStream) => {
        if (isOver) return
        isOver = true
        const cost = tokens ?? entry.tokens + tokensOfAnswer(answerBytes, isStream)
        this.#underWay.remove(letIn)
        this.#own.leave(entry, ownPiece, cost - entry.tokens)
        if (!isOwn) this.#ports.counters.leave(entry, piece, cost - entry.tokens)
      },
    }
  }

  #share(entry: Entry): Entry {
    const nodes = this.#ports.nodes()
    return {
      ...entry,
      meters: entry.meters.map(({ name, limits }) => ({ name, limits: shareOf(limits, nodes) })),
    }
  }

  #refuse({ level, waitMs, levels }: Verdict & { kind: 'out' }): Limited {
    this.refused[level.kind] += 1
    const whose = level.meter.startsWith('key\n') ? 'this API key' : 'this model'
    const message = `The limit of ${whose} is reached: ${level.limit} ${UNIT[level.kind]}.`
    return { problem: { code: 'rate_limit_exceeded', message, retryAfterMs: waitMs }, levels }
  }
}

const UNIT: Readonly<Record<LimitKind, string>> = {
  requests: 'requests per minute',
  tokens: 'tokens per minute',
  concurrency: 'requests at once',
}

const meter = (name: string, limits: Limits | null): readonly Meter[] =>
  limits === null ? [] : [{ name, limits }]
