/**
 * Do weights hold? Many requests over all nodes, all providers well, counted by who answered.
 */
import { CLIENT_KEY, type Cluster } from '../../cluster/cluster.ts'
import { say } from '../options.ts'

const AT_ONCE = 32
/** Two points, as a share. */
const BOUND = 0.02

/** @returns what does not hold. */
export async function sharesOver(
  cluster: Cluster,
  model: string,
  weights: Readonly<Record<string, number>>,
  requests: number,
): Promise<readonly string[]> {
  const counts = new Map<string, number>()
  let next = 0
  let failed = 0
  const worker = async (): Promise<void> => {
    while (next < requests) {
      const { url } = cluster.nodes[next++ % cluster.nodes.length]!
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${CLIENT_KEY}` },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
      })
      await answer.arrayBuffer()
      const provider = answer.headers.get('x-apiproxy-provider') ?? ''
      if (answer.status === 200) counts.set(provider, (counts.get(provider) ?? 0) + 1)
      else failed += 1
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
  const lines = Object.entries(weights).map(([provider, weight]) => {
    const wanted = weight / total
    const seen = (counts.get(provider) ?? 0) / requests
    // Of so many draws, four standard deviations.
    const noise = 4 * Math.sqrt((wanted * (1 - wanted)) / requests)
    return {
      provider,
      wanted,
      seen,
      isOff: Math.abs(seen - wanted) > BOUND,
      isBeyondNoise: Math.abs(seen - wanted) > noise,
    }
  })
  const texts = lines.map(
    ({ provider, wanted, seen }) =>
      `${provider} ${(seen * 100).toFixed(2)} % of ${(wanted * 100).toFixed(2)} %`,
  )
  say(
    `shares over ${requests} requests on ${cluster.nodes.length} nodes: ${texts.join(', ')}; ${failed} failed`,
  )
  return [
    ...lines.flatMap(({ provider, isOff }) =>
      isOff ? [`the share of ${provider} is off by more than two points`] : [],
    ),
    ...lines.flatMap(({ provider, wanted, isBeyondNoise }) =>
      wanted < 0.05 && isBeyondNoise ? [`the share of ${provider} is off by more than chance`] : [],
    ),
    ...(failed > 0 ? [`${failed} requests failed while all were well`] : []),
  ]
}
