/**
 * What is named more than once: in the environment and in a file, or twice in one.
 *
 * Pure.
 */

/** @returns each as it is named first. */
export const asNamedFirst = <Item>(items: readonly Item[], idOf: (item: Item) => string): Item[] =>
  [...new Map(items.toReversed().map((item) => [idOf(item), item])).values()].toReversed()

/**
 * The same, but in the first state that any of them says: the environment says none, so what it names is stopped by
 * a file or not at all.
 */
export function inStateSaidFirst<Item extends Readonly<{ state?: unknown }>>(
  items: readonly Item[],
  idOf: (item: Item) => string,
): Item[] {
  const said = new Map<string, Item['state']>(
    items.toReversed().flatMap((item) => (item.state === undefined ? [] : [[idOf(item), item.state]])),
  )
  return asNamedFirst(items, idOf).map((item) => {
    const state = said.get(idOf(item))
    return state === undefined ? item : { ...item, state }
  })
}
