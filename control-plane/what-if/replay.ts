/**
 * One recorded request made again under some configuration: through the same pick, with the same dice, by what
 * was known then, from its first choice to its end.
 *
 * Pure. As long as it goes where it went, what came of it is what was recorded. Where it goes elsewhere, it
 * fares as others fared there.
 */
import { diceOf } from '#contracts/routing/dice.ts'
import { MOST_TRIES, pick, type Pick } from '#contracts/routing/pick.ts'
import { homeAfter, type Preference } from '#contracts/routing/session.ts'
import { SOUND, type Candidate, type Standing } from '#contracts/routing/standing.ts'
import type { Evidence } from './evidence.ts'
import type { Knowledge } from './knowledge.ts'
import { firstMsOf, isAnswered, isAt, isOwnDoing, type PastChoice, type PastRequest } from './past-request.ts'
import type { Way } from './ways.ts'

/** What became of a request. */
export type Fate = Readonly<{
  /** Deployment it was sent to first; null: nobody was asked. */
  first: string | null
  /** Who answered it, or was to be paid all the same; null: nobody, or nobody knows. */
  served: string | null
  /** `unknown`: nothing was seen of where it went. `own`: the client's own mistake, or it left. */
  end: 'answered' | 'failed' | 'unknown' | 'own'
  /** To the first content, failed attempts included, in milliseconds; null: none came, or nobody knows. */
  firstMs: number | null
}>

/** What was remembered of sessions, had the configuration been in force from the window's beginning on. */
export type Bindings = Map<string, Readonly<{ bound: string; home: string | null }>>

export type Past = Readonly<{
  evidence: Evidence
  knowledge: Knowledge
  bindings: Bindings
  /** Did latency decide when it was recorded? Then usual times are the record's, also where it has none. */
  hasTimes: (request: PastRequest) => boolean
  /** Is every request of a session there? If not, each is placed as if it were the first. */
  isWhole: boolean
}>

/** After these the same one may be asked again where nobody else is left. */
const REPEATABLE: ReadonlySet<string> = new Set(['throttled', 'overloaded', 'fault', 'timeout'])
const TRIED: Standing = { ...SOUND, out: 'tried' }
const NOBODY: Fate = { first: null, served: null, end: 'failed', firstMs: null }

/** What was recorded, in the same words. */
export const recordedFate = (request: PastRequest): Fate => ({
  first: request.choices[0]?.chosen ?? null,
  served: request.served,
  end: isOwnDoing(request) ? 'own' : isAnswered(request) ? 'answered' : 'failed',
  firstMs: firstMsOf(request),
})

export const replay = (request: PastRequest, way: Way | null, past: Past): Fate =>
  way === null ? NOBODY : new Replay(request, way, past).run()

class Replay {
  readonly #request: PastRequest
  readonly #way: Way
  readonly #past: Past
  readonly #tried = new Set<string>()
  readonly #session: Preference | null
  #first: Pick | null = null
  #firstId: string | null = null
  /** Choices made. */
  #made = 0
  #drawn = 0
  /** Has everything gone as it was recorded? */
  #isAsWas = true
  /** Attempts that were taken from others. */
  #taken = 0
  #lostMs = 0
  #failure = ''

  constructor(request: PastRequest, way: Way, past: Past) {
    this.#request = request
    this.#way = way
    this.#past = past
    this.#session = preferenceOf(request, past)
  }

  run(): Fate {
    for (let tries = 0; tries < MOST_TRIES;) {
      const recorded = this.#request.choices[this.#made]
      const made = this.#pick(recorded)
      this.#first ??= made
      const id = made.kind === 'chosen' ? made.chosen.candidate.deployment.id : null
      this.#isAsWas &&= recorded !== undefined && recorded.chosen === id
      this.#made += 1
      if (this.#isAsWas && this.#made === this.#request.choices.length) return this.#asRecorded(id)
      if (id === null) {
        if (!this.#isAsWas && !this.#mayRepeat(made)) return this.#end(null, 'failed', null)
        this.#tried.clear()
        continue
      }
      tries += 1
      this.#firstId ??= id
      const end = this.#isAsWas ? this.#failedAsRecorded(id) : this.#elsewhere(id)
      if (end !== null) return end
      this.#tried.add(id)
    }
    return this.#end(null, 'failed', null)
  }

  #pick(recorded: PastChoice | undefined): Pick {
    const { choices, seed } = this.#request
    const { candidates, taste, region, recorded: places } = this.#way
    const known = recorded ?? choices.at(-1)
    const from = this.#isAsWas && recorded !== undefined ? recorded.drawn : this.#drawn
    const cast = diceOf(seed, from)
    this.#drawn = from
    const spare = this.#spareRate(known)
    return pick(candidates, {
      standing: (candidate) => {
        const at = candidates.indexOf(candidate)
        const standing = this.#standing(candidate, places[at], known)
        return at === 0 && spare > 0 ? { ...standing, rate: standing.rate + spare } : standing
      },
      futility: () => known?.futility ?? 0,
      dice: () => {
        this.#drawn += 1
        return cast()
      },
      session: this.#session,
      taste,
      region,
    })
  }

  #standing({ deployment: { id } }: Candidate, place: number | undefined, known: PastChoice | undefined) {
    if (this.#tried.has(id)) return TRIED
    if (place === undefined) return this.#past.knowledge.standing(id, this.#request)
    const was = known?.standings.get(place) ?? SOUND
    // Tried then and not now: as it was before it was tried.
    const standing = was.out === 'tried' ? (this.#request.choices[0]?.standings.get(place) ?? SOUND) : was
    if (this.#way.taste.gammaLatency === 0 || this.#past.hasTimes(this.#request)) return standing
    return { ...standing, expectedMs: this.#past.knowledge.standing(id, this.#request).expectedMs }
  }

  /** Load that was on candidates who are not there any more does not go away with them. */
  #spareRate(known: PastChoice | undefined): number {
    if (known === undefined || known.standings.size === 0) return 0
    let spare = 0
    for (const [place, { rate }] of known.standings)
      if (rate > 0 && !this.#way.recorded.includes(place)) spare += rate
    return spare
  }

  #asRecorded(id: string | null): Fate {
    const { served, end, firstMs } = recordedFate(this.#request)
    this.#firstId ??= id
    this.#remember(end === 'answered' ? (id ?? null) : null)
    return { first: this.#firstId, served, end, firstMs }
  }

  /** What was recorded goes on after this choice: it failed here. */
  #failedAsRecorded(id: string): null {
    for (const attempt of this.#request.attempts) {
      if (!isAt(attempt.deployment, id)) continue
      this.#lostMs += attempt.totalMs
      this.#failure = attempt.outcome
    }
    return null
  }

  /** @returns null: it failed there as others did, and somebody else may be tried. */
  #elsewhere(id: string): Fate | null {
    const { mode, at, served } = this.#request
    const deployment = this.#nameAt(id)
    if (isOwnDoing(this.#request)) return this.#end(served === null ? null : deployment, 'own', null)
    const found = this.#past.evidence.nearest(deployment, mode, at, this.#taken)
    if (found === null) return this.#unknown(id, deployment)
    this.#taken += 1
    const { attempt, isAlike } = found
    if (attempt.outcome === 'success') {
      this.#remember(id)
      const ms = attempt.firstMs === null || !isAlike ? null : this.#lostMs + attempt.firstMs
      return this.#end(deployment, 'answered', ms)
    }
    // Content had reached the client: that is not tried again.
    if (attempt.outcome === 'cut') return this.#end(deployment, 'failed', null)
    this.#lostMs += attempt.totalMs
    this.#failure = attempt.outcome
    return null
  }

  /** Nothing was seen of it: taken to answer, and counted as not known. */
  #unknown(id: string, deployment: string): Fate {
    this.#remember(id)
    const { mode, at, tokens } = this.#request
    const line = this.#past.knowledge.told(deployment, mode, at)
    const ms = line === null ? null : this.#lostMs + line.t0 + (line.perK * tokens.input) / 1_000
    return this.#end(deployment, 'unknown', ms)
  }

  /** Of a pinned model that nobody listed: as the client named it. */
  #nameAt(id: string): string {
    return id.endsWith('/*') ? this.#request.asked : id
  }

  #mayRepeat(made: Pick): boolean {
    return this.#tried.size > 0 && made.why !== 'busy' && made.why !== 'shed' && REPEATABLE.has(this.#failure)
  }

  #end(served: string | null, end: Fate['end'], firstMs: number | null): Fate {
    return { first: this.#firstId, served, end, firstMs }
  }

  #remember(id: string | null): void {
    const { bond } = this.#request
    if (bond === null || id === null) return
    const { bound = null, home = null } = this.#session ?? {}
    const before = bound === null ? null : { bound, home }
    this.#past.bindings.set(bond, { bound: id, home: homeAfter(before, this.#first, id) })
  }
}

/** A session is where it would be by now; one that was new, or forgotten, then is so now. */
function preferenceOf(
  { binding, session, bond }: PastRequest,
  { bindings, isWhole }: Past,
): Preference | null {
  if (binding === null) return null
  const { bound, home, isRequired } = binding
  const name = session ?? ''
  if (bond === null || bound === null) return { session: name, bound, home, isRequired }
  if (!isWhole) return { session: name, bound: null, home: null, isRequired }
  const kept = bindings.get(bond)
  return {
    session: name,
    bound: kept?.bound ?? bound,
    home: kept === undefined ? home : kept.home,
    isRequired,
  }
}
