/**
 * Short stable names for texts: ids and names that do not fit their target are replaced by these.
 *
 * Pure. Not for secrets and not against an enemy: the same text always gets the same name, on every node,
 * and two texts of one conversation do not get the same one by chance.
 */
const DIGITS = 6
const RANGE = 36 ** DIGITS

/** @returns `length` characters of `[a-z0-9]`; each six of them hold 31 bits of the text. */
export function shortHash(text: string, length: number): string {
  let hash = ''
  for (let lane = 0; hash.length < length; lane++) {
    hash += (hash32(text, Math.imul(lane + 1, 0x9e3779b1)) % RANGE).toString(36).padStart(DIGITS, '0')
  }
  return hash.slice(0, length)
}

/** FNV-1a over the code units, with MurmurHash3's ending so that near texts land far apart. */
function hash32(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
