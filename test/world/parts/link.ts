/**
 * A node's way to the control planes over HTTP: they are tried in turn, as `HttpControlLink` does.
 */
import type { ControlLink } from '#contracts/fleet/link.ts'
import type { Dice } from './dice.ts'
import type { Life, VirtualTime } from './time.ts'

export type LinkFaults = {
  /** No answer, and one that was damaged on its way. */
  lose: number
  damage: number
}

/** A control plane as nodes reach it. */
export type Reachable = Readonly<{
  life: Life
  link: ControlLink
  /** Questions that end when it dies. */ pending: Set<() => void>
}>

/** `HttpControlLink` waits so long for the first byte, beyond what the question may wait, in milliseconds. */
const ANSWER_MS = 10_000

export class WorldLink implements ControlLink {
  isCut = false
  readonly #time: VirtualTime
  readonly #dice: Dice
  readonly #life: Life
  readonly #faults: LinkFaults
  readonly #controls: () => readonly Reachable[]
  #preferred = 0

  constructor(
    world: Readonly<{
      time: VirtualTime
      dice: Dice
      faults: LinkFaults
      controls: () => readonly Reachable[]
    }>,
    life: Life,
  ) {
    this.#time = world.time
    this.#dice = world.dice
    this.#faults = world.faults
    this.#controls = world.controls
    this.#life = life
  }

  async snapshot(signal: AbortSignal): Promise<string> {
    return this.#damaged(await this.#ask(0, signal, (link, stop) => link.snapshot(stop)))
  }

  async commits(after: number, waitMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const commits = await this.#ask(waitMs, signal, (link, stop) => link.commits(after, waitMs, stop))
    return commits.map((text) => this.#damaged(text))
  }

  secrets: ControlLink['secrets'] = (ids, signal) =>
    this.#ask(0, signal, (link, stop) => link.secrets(ids, stop))

  report: ControlLink['report'] = (report, signal) =>
    this.#ask(0, signal, (link, stop) => link.report(report, stop))

  leases: ControlLink['leases'] = (ask, signal) =>
    this.#ask(0, signal, (link, stop) => link.leases(ask, stop))

  modelLists: ControlLink['modelLists'] = (signal) =>
    this.#ask(0, signal, (link, stop) => link.modelLists(stop))

  /** A digit of a text turns into another one: what was said is still JSON, and wrong. */
  #damaged(text: string): string {
    if (this.#faults.damage === 0 || !this.#dice.chance(this.#faults.damage)) return text
    // What says of which commit it is, is not covered by a snapshot's digest.
    const least = Math.max(0, text.indexOf('"keys":'))
    const from = least + this.#dice.below(text.length - least)
    const at = text.slice(from).search(/[0-9]/)
    if (at === -1) return text.slice(0, from)
    const digit = Number(text[from + at])
    return `${text.slice(0, from + at)}${(digit + 1) % 10}${text.slice(from + at + 1)}`
  }

  async #ask<Answer>(
    waitMs: number,
    signal: AbortSignal,
    question: (link: ControlLink, stop: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    const controls = this.#controls()
    const first = this.#preferred
    for (let turn = 0; turn < controls.length; turn++) {
      const index = (first + turn) % controls.length
      const control = controls[index]
      if (control === undefined) break
      try {
        const answer = await this.#askOne(control, waitMs, signal, question)
        this.#preferred = index
        return answer
      } catch {
        this.#preferred = (index + 1) % controls.length
        if (signal.aborted) break
      }
    }
    throw new Error('no control plane answers')
  }

  #askOne<Answer>(
    control: Reachable,
    waitMs: number,
    signal: AbortSignal,
    question: (link: ControlLink, stop: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const time = this.#time
    const dice = this.#dice
    const later = (life: Life | null, run: () => void): void =>
      void time.after(dice.between(0.2, 2), life, run)
    const fail = (): void => later(this.#life, () => reject(new Error('refused')))
    if (this.isCut || !control.life.isAlive || dice.chance(this.#faults.lose)) {
      fail()
      return promise
    }
    const stop = new AbortController()
    signal.addEventListener('abort', () => {
      later(control.life, () => stop.abort())
      reject(new Error('aborted'))
    })
    const end = (run: () => void): void => {
      control.pending.delete(fail)
      later(this.#life, () => (this.isCut ? reject(new Error('cut')) : run()))
    }
    control.pending.add(fail)
    time.after(waitMs + ANSWER_MS, this.#life, () => reject(new Error('no answer')))
    later(control.life, () => {
      question(control.link, stop.signal).then(
        (answer) => end(() => resolve(answer)),
        () => end(() => reject(new Error('failed'))),
      )
    })
    return promise
  }
}
