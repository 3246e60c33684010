/**
 * The client's side of an exchange, written down: what it was told, and in which order.
 */
import type { AnswerHead, Downstream } from '#data-plane/upstream/downstream.ts'

export class RecordedClient implements Downstream {
  /** `begin`, `write`, `end`, `cut`, in order. */
  readonly calls: string[] = []
  head: AnswerHead | null = null
  /** A client that does not read says no to every write until `drain`. */
  reads = true
  readonly #chunks: Buffer[] = []
  #gone = false
  #onGone: (() => void) | null = null
  #onDrained: (() => void) | null = null

  begin(head: AnswerHead): void {
    this.calls.push('begin')
    this.head = head
  }

  write(chunk: Buffer): boolean {
    this.calls.push('write')
    this.#chunks.push(Buffer.from(chunk))
    return this.reads
  }

  end(last: Buffer | null): void {
    this.calls.push('end')
    if (last !== null) this.#chunks.push(Buffer.from(last))
  }

  cut(): void {
    this.calls.push('cut')
  }

  onceDrained(listener: () => void): void {
    if (this.#onDrained !== null) throw new Error('waited for already')
    this.#onDrained = listener
  }

  onGone(listener: () => void): void {
    if (this.#gone) listener()
    else this.#onGone = listener
  }

  get body(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** Is the sender waiting until something was read? */
  get isFull(): boolean {
    return this.#onDrained !== null
  }

  /** Reads what there is. */
  drain(): void {
    const listener = this.#onDrained
    this.#onDrained = null
    listener?.()
  }

  leave(): void {
    this.#gone = true
    this.#onGone?.()
  }
}
