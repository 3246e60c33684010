/**
 * What nodes would have known of a candidate that the record of a request does not have.
 *
 * Pure. The prober's factor and usual times are those of its kept tables; what nodes thought of a deployment
 * themselves is what some other request was chosen by moments before. Of what nobody has spoken nothing bad is
 * known, as it is with nodes.
 */
import { SOUND, type Standing } from '#contracts/routing/standing.ts'
import { expectedMs, type Line } from '#contracts/telemetry/line.ts'
import { firstAfter, type Evidence } from './evidence.ts'
import type { PastRequest } from './past-request.ts'

/** What one of the prober's tables said of a deployment, from its time on. */
export type FactorMove = Readonly<{
  at: number
  provider: string
  model: string
  factor: number
  usual: Readonly<{ json?: Line | undefined; sse?: Line | undefined }>
}>

/** What was thought of a deployment longer ago than this says nothing of now, in milliseconds. */
const SIGHTING_MS = 30_000

type Moves = { readonly at: number[]; readonly moves: FactorMove[] }
type Sightings = { readonly at: number[]; readonly standings: Standing[] }

export class Knowledge {
  readonly #moves = new Map<string, Moves>()
  readonly #sightings = new Map<string, Sightings>()
  readonly #evidence: Evidence

  /** @param moves in the order of time. */
  constructor(moves: readonly FactorMove[], evidence: Evidence) {
    this.#evidence = evidence
    for (const move of moves) {
      const name = `${move.provider}/${move.model}`
      const known = this.#moves.get(name) ?? { at: [], moves: [] }
      // What a table does not say of usual times an earlier one did.
      const usual = { ...known.moves.at(-1)?.usual, ...move.usual }
      known.at.push(move.at)
      known.moves.push({ ...move, usual })
      this.#moves.set(name, known)
    }
  }

  /** @param request in the order of time. */
  add({ at, candidates, choices }: PastRequest): void {
    const standings = choices[0]?.standings
    if (standings === undefined) return
    for (const [index, { deployment }] of candidates.entries()) {
      const seen = this.#sightings.get(deployment) ?? { at: [], standings: [] }
      const standing = standings.get(index) ?? SOUND
      // Long times in which nothing changed are told by a sighting now and then.
      if (
        standing === SOUND &&
        seen.standings.at(-1) === SOUND &&
        at - (seen.at.at(-1) ?? 0) < SIGHTING_MS / 2
      )
        continue
      seen.at.push(at)
      seen.standings.push(standing)
      this.#sightings.set(deployment, seen)
    }
  }

  standing(deployment: string, { at, mode, tokens }: PastRequest): Standing {
    const { factor = 1 } = this.#moveAt(deployment, at) ?? {}
    const line = this.usual(deployment, mode, at)
    const expected = line === null ? null : expectedMs(line, tokens.input / 1_000)
    const lately = this.#lately(deployment, at)
    return { ...SOUND, ...lately, fleet: factor, expectedMs: expected }
  }

  /** Usual time to the first content by the prober, else by what was seen in the window. */
  usual(deployment: string, mode: PastRequest['mode'], at: number): Line | null {
    return this.told(deployment, mode, at) ?? this.#evidence.usual(deployment, mode)
  }

  /** The same, by the prober alone. */
  told(deployment: string, mode: PastRequest['mode'], at: number): Line | null {
    return this.#moveAt(deployment, at)?.usual[mode] ?? null
  }

  #moveAt(deployment: string, at: number): FactorMove | undefined {
    const known = this.#moves.get(deployment)
    return known === undefined ? undefined : known.moves[firstAfter(known.at, at) - 1]
  }

  /** Of a node's own knowledge what is not about one request. */
  #lately(deployment: string, at: number): Partial<Standing> {
    const seen = this.#sightings.get(deployment)
    if (seen === undefined) return {}
    const index = firstAfter(seen.at, at) - 1
    const standing = seen.standings[index]
    if (standing === undefined || at - (seen.at[index] ?? 0) > SIGHTING_MS) return {}
    const isLasting = standing.out === 'open' || standing.out === 'down' || standing.out === 'keys'
    return { local: standing.local, out: isLasting ? standing.out : null }
  }
}
