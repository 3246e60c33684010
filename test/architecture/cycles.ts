/**
 * Finds files that import each other in a circle.
 *
 * Pure. Depth first: an edge back to a file that is still open closes a circle.
 */
export type Link = Readonly<{ from: string; to: string }>

/** @returns each circle once, as the files along it. */
export function cycles(links: readonly Link[]): readonly (readonly string[])[] {
  const next = new Map<string, string[]>()
  for (const { from, to } of links) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const found: string[][] = []

  const visit = (path: string, open: readonly string[]): void => {
    if (done.has(path)) return
    const at = open.indexOf(path)
    if (at !== -1) {
      found.push(open.slice(at))
      return
    }
    for (const to of next.get(path) ?? []) visit(to, [...open, path])
    done.add(path)
  }
  for (const path of next.keys()) visit(path, [])
  return found
}
