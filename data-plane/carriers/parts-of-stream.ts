/**
 * Puts the parts of a streamed answer together again, as far as state and calls are concerned: texts are not
 * kept.
 *
 * Pure in effect: fed with events, asked at the end.
 */
import type { Carrier } from '../dialects/canonical/carrier.ts'
import type { AnswerPart } from '../dialects/canonical/reply.ts'
import type { StreamEvent } from '../dialects/canonical/stream.ts'

type Open = {
  part: 'reasoning' | 'tool-call'
  id: string
  name: string
  text: string
  isSummary: boolean
  carrier: Carrier | null
}

export class StatefulParts {
  readonly #parts: (Open | undefined)[] = []

  take(event: StreamEvent): void {
    if (event.kind === 'part-start') {
      const { part } = event
      if (part.kind === 'reasoning')
        this.#open(event.index, {
          part: 'reasoning',
          id: '',
          name: '',
          text: '',
          isSummary: part.isSummary,
          carrier: null,
        })
      else if (part.kind === 'tool-call')
        this.#open(event.index, {
          part: 'tool-call',
          id: part.id,
          name: part.name,
          text: '',
          isSummary: false,
          carrier: null,
        })
    } else if (event.kind === 'reasoning' || event.kind === 'args') {
      const open = this.#parts[event.index]
      if (open !== undefined) open.text += event.text
    } else if (event.kind === 'carrier') {
      const open = this.#parts[event.index]
      if (open !== undefined) open.carrier = event.carrier
    }
  }

  parts(): readonly AnswerPart[] {
    return this.#parts.flatMap((open): AnswerPart[] => {
      if (open === undefined) return []
      const state = open.carrier === null ? {} : { carrier: open.carrier }
      return open.part === 'reasoning'
        ? [{ kind: 'reasoning', text: open.text, isSummary: open.isSummary, ...state }]
        : [{ kind: 'tool-call', id: open.id, name: open.name, args: open.text, isCustom: false, ...state }]
    })
  }

  #open(index: number, open: Open): void {
    while (this.#parts.length <= index) this.#parts.push(undefined)
    this.#parts[index] = open
  }
}
