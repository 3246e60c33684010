/**
 * Streams spoiled as hosts and networks spoil them: cut off, with events lost, doubled, swapped or mixed, with
 * bytes and JSON values changed.
 */
export type Random = () => number

/** Mulberry32: the same numbers for the same seed. */
export function diceOf(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Where a value may stand, something of another kind. */
const VALUES = ['null', '0', '-1', '""', '"x"', '[]', '{}', 'true', '[null]', '{"type":"?"}', '1e999']

export function spoil(stream: string, random: Random): Buffer {
  const pick = (count: number): number => Math.floor(random() * count)
  let events = stream.replaceAll('\r\n', '\n').split('\n\n')
  const times = 1 + pick(3)
  for (let time = 0; time < times; time++) {
    const at = pick(events.length)
    const event = events[at] ?? ''
    switch (pick(9)) {
      case 0:
        events = events.slice(0, at) // cut off between events
        break
      case 1:
        events[at] = event.slice(0, pick(event.length)) // half an event
        break
      case 2:
        events.splice(at, 1)
        break
      case 3:
        events.splice(at, 0, event)
        break
      case 4: {
        const other = pick(events.length)
        events[at] = events[other] ?? ''
        events[other] = event
        break
      }
      case 5:
        events[at] = otherValue(event, VALUES[pick(VALUES.length)] ?? 'null', pick)
        break
      case 6:
        events[at] = otherValue(event, VALUES[pick(VALUES.length)] ?? 'null', pick)
        break
      case 7:
        events.splice(at, 0, 'data: {"error":{"message":"spoiled","type":"server_error","code":500}}')
        break
      default:
        events[at] = withOtherByte(event, pick)
    }
  }
  return Buffer.from(events.join('\n\n'))
}

/** One member's value is another. */
function otherValue(event: string, value: string, pick: (count: number) => number): string {
  const members = [
    ...event.matchAll(/"\w+" ?: ?("(?:[^"\\]|\\.)*"|-?[\d.]+|true|false|null|\{\}|\[\]|[[{])/g),
  ]
  const member = members[pick(members.length)]
  const old = member?.[1]
  if (member === undefined || old === undefined) return event
  const start = member.index + member[0].length - old.length
  // Of an object or array only the begin is known: its JSON breaks, as some hosts' does.
  return event.slice(0, start) + value + event.slice(start + old.length)
}

function withOtherByte(event: string, pick: (count: number) => number): string {
  const at = pick(event.length)
  return event.slice(0, at) + String.fromCodePoint(32 + pick(95)) + event.slice(at + 1)
}
