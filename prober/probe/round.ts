/**
 * Sends the probes that are due, a few at a time, and tells the judgement what became of them.
 */
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'
import type { ProbeResult } from '../judgement/window.ts'
import type { DueProbe } from './plan.ts'
import type { SendProbe } from './send.ts'

const MOST_AT_ONCE = 16

/** `refused`: the address is not allowed, nothing was sent. `broken`: our own mistake. */
export type ProbeOutcome = OutcomeClass | 'refused' | 'broken'

/** Who knows what is due and wants to know what became of it. */
export interface Asker {
  takeProbes(now: number, most: number): readonly DueProbe[]
  /** @param result null: nothing is known. */
  probed(provider: string, model: string, result: ProbeResult | null, now: number): void
}

export type ProbeRoundPorts = Readonly<{ judgement: Asker; send: SendProbe; clock: Clock; logger: Logger }>

export class ProbeRound {
  readonly #ports: ProbeRoundPorts
  readonly #counts = new Map<ProbeOutcome, number>()
  /** Of the last probe of each deployment, so that a broken one is told once and not every minute. */
  readonly #last = new Map<string, ProbeOutcome>()
  #underWay = 0

  constructor(ports: ProbeRoundPorts) {
    this.#ports = ports
  }

  /** Begins what is due; never waits. */
  begin(): void {
    const { judgement, clock } = this.#ports
    const room = MOST_AT_ONCE - this.#underWay
    for (const due of room > 0 ? judgement.takeProbes(clock.monotonic(), room) : []) void this.#probe(due)
  }

  /** Probes since the start, by outcome. */
  get counts(): ReadonlyMap<ProbeOutcome, number> {
    return this.#counts
  }

  async #probe({ entry, why, timeoutMs }: DueProbe): Promise<void> {
    const { judgement, send, clock, logger } = this.#ports
    const { provider, model } = entry
    this.#underWay += 1
    try {
      const result = await send(entry, timeoutMs)
      judgement.probed(provider, model, result, clock.monotonic())
      this.#note(provider, model, result?.outcome ?? 'refused')
      logger.debug({ provider, model, why, ...result }, 'probed')
    } catch (error) {
      judgement.probed(provider, model, null, clock.monotonic())
      this.#note(provider, model, 'broken')
      logger.error({ error, provider, model }, 'a probe could not be made')
    } finally {
      this.#underWay -= 1
    }
  }

  #note(provider: string, model: string, outcome: ProbeOutcome): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1)
    const name = `${provider}/${model}`
    if (this.#last.get(name) === outcome) return
    this.#last.set(name, outcome)
    if (saysNothing(outcome)) {
      this.#ports.logger.warn(
        { provider, model, outcome },
        'probes of this deployment say nothing about the provider',
      )
    }
  }
}

/** A wrong key, model or request on our side: the operator should see to it, the provider is not judged. */
const saysNothing = (outcome: ProbeOutcome): boolean =>
  outcome === 'unauthorised' ||
  outcome === 'exhausted' ||
  outcome === 'missing' ||
  outcome === 'invalid' ||
  outcome === 'refused'
