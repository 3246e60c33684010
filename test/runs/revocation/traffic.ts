/**
 * One client that keeps sending requests with one key to one node.
 */
import type { ClusterNode } from '../../cluster/cluster.ts'

export class Traffic {
  readonly node: ClusterNode
  readonly #key: string
  readonly #pauseMs: number
  readonly #running: Promise<void>
  #isOver = false
  accepted = 0
  refused = 0
  /** Answered neither with 200 nor with 401, or not at all. */
  others = 0
  /** When the last request that was let in was sent; by `performance.now()`. */
  acceptedAt = -Infinity

  constructor(node: ClusterNode, key: string, pauseMs: number) {
    this.node = node
    this.#key = key
    this.#pauseMs = pauseMs
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const sentAt = performance.now()
      const status = await ask(this.node.url, this.#key)
      if (status === 200) {
        this.accepted += 1
        this.acceptedAt = sentAt
      } else if (status === 401) this.refused += 1
      else this.others += 1
      await new Promise((resolve) => setTimeout(resolve, this.#pauseMs))
    }
  }
}

/** @returns the status; 0: there was no answer. */
export async function ask(url: string, key: string): Promise<number> {
  try {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] }),
    })
    await answer.arrayBuffer()
    return answer.status
  } catch {
    return 0
  }
}
