/**
 * What is searched: everything anybody wrote or said, by where.
 */
export type Item = Readonly<{ place: string; name: string; bytes: Buffer }>

export class Places {
  readonly items: Item[] = []

  /** @param name what of the place it is, for whoever has to find the leak. */
  add(place: string, name: string, content: string | Buffer): void {
    this.items.push({ place, name, bytes: Buffer.from(content) })
  }

  /** Bytes in each place. */
  sizes(): ReadonlyMap<string, number> {
    const sizes = new Map<string, number>()
    for (const { place, bytes } of this.items) sizes.set(place, (sizes.get(place) ?? 0) + bytes.length)
    return sizes
  }
}
