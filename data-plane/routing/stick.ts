/**
 * Which deployment a session prefers when nobody remembers: weighted rendezvous hashing.
 *
 * Pure. Every node computes the same answer from the session alone, so conversations keep their provider
 * (and its prompt cache) while the session store is gone, and a change of candidates moves only the sessions
 * it has to.
 */
import type { Candidate } from './snapshot.ts'

/** @returns the id of the preferred deployment of the best tier, or null when none takes traffic. */
export function rendezvous(candidates: readonly Candidate[], session: string): string | null {
  let best: Readonly<{ id: string; tier: number; score: number }> | null = null
  for (const { deployment, tier, weight } of candidates) {
    if (weight <= 0) continue
    // -w / ln(u): the highest wins with a probability proportional to its weight.
    const score = -weight / Math.log(unit(`${session}\n${deployment.id}`))
    if (best === null || tier < best.tier || (tier === best.tier && score > best.score)) {
      best = { id: deployment.id, tier, score }
    }
  }
  return best?.id ?? null
}

/** FNV-1a with a final mix (murmur3's), as a number in (0, 1). Spreads well; nobody's secret hangs on it. */
function unit(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash ^= hash >>> 16
  return ((hash >>> 0) + 0.5) / 4_294_967_296
}
