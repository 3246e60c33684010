/**
 * Weighted rendezvous hashing: which of several a name prefers, the same on every node without a word.
 *
 * Pure. A change of candidates or weights moves only the names it has to.
 */

/** @param weight of one; 0 or less: it does not take part. @returns the preferred one, null when none takes part. */
export function rendezvous<Item>(
  items: readonly Item[],
  id: (item: Item) => string,
  weight: (item: Item) => number,
  name: string,
): Item | null {
  let best: Item | null = null
  let most = -Infinity
  for (const item of items) {
    const share = weight(item)
    if (!(share > 0)) continue
    // -w / ln(u): the highest wins with a probability proportional to its weight.
    const score = -share / Math.log(unitOf(`${name}\n${id(item)}`))
    if (score > most) {
      most = score
      best = item
    }
  }
  return best
}

/** FNV-1a with a final mix (murmur3's), as a number in (0, 1). Spreads well; nobody's secret hangs on it. */
export function unitOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash ^= hash >>> 16
  return ((hash >>> 0) + 0.5) / 4_294_967_296
}
