/**
 * Server-sent events taken out of a text that is still growing.
 *
 * Pure.
 */
export type ServerEvent = Readonly<{ event: string; data: string }>

/** @returns the events that are whole, and the text that is left for the next ones. */
export function takeEvents(text: string): Readonly<{ events: readonly ServerEvent[]; rest: string }> {
  const blocks = text.split(/\r?\n\r?\n/)
  const rest = blocks.pop() ?? ''
  return { events: blocks.flatMap(readBlock), rest }
}

/** Without data it is a comment, or a sign of life. */
function readBlock(block: string): readonly ServerEvent[] {
  let event = 'message'
  const data: string[] = []
  for (const line of block.split(/\r?\n/)) {
    const [, field = '', value = ''] = /^(\w+): ?(.*)$/.exec(line) ?? []
    if (field === 'event') event = value
    if (field === 'data') data.push(value)
  }
  return data.length === 0 ? [] : [{ event, data: data.join('\n') }]
}
