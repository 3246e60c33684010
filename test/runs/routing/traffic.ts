/**
 * Streamed requests at a steady rate over all nodes, and what became of each.
 */
import { CLIENT_KEY, type Cluster } from '../../cluster/cluster.ts'

export type Sent = Readonly<{
  kind: string
  at: number
  isOk: boolean
  /** To the first byte of the body, in milliseconds. */
  firstMs: number
}>

/** Longest a client waits, in milliseconds. */
const PATIENCE_MS = 15_000

export class Traffic implements AsyncDisposable {
  readonly sent: Sent[] = []
  readonly #cluster: Cluster
  readonly #open = new Set<Promise<void>>()
  readonly #timer: NodeJS.Timeout
  #count = 0

  /** Begins at once. */
  constructor(cluster: Cluster, kinds: readonly string[], rate: number) {
    this.#cluster = cluster
    this.#timer = setInterval(() => {
      for (const kind of kinds) this.#send(kind)
    }, 1_000 / rate)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#open)
  }

  #send(kind: string): void {
    const node = this.#cluster.nodes[this.#count++ % this.#cluster.nodes.length]
    const request = this.#ask(node!.url, kind)
    this.#open.add(request)
    void request.finally(() => this.#open.delete(request))
  }

  async #ask(url: string, kind: string): Promise<void> {
    const at = performance.now()
    let firstMs = Number.NaN
    let isOk = false
    try {
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${CLIENT_KEY}` },
        body: JSON.stringify({ model: kind, stream: true, messages: [{ role: 'user', content: 'hello' }] }),
        signal: AbortSignal.timeout(PATIENCE_MS),
      })
      firstMs = performance.now() - at
      isOk = answer.status === 200 && (await answer.text()).endsWith('data: [DONE]\n\n')
    } catch {
      // Not answered.
    }
    this.sent.push({ kind, at, isOk, firstMs })
  }
}
