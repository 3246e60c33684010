/**
 * Streams of hosts over which the official SDKs stumble: every event passes as it came, but for those that have to
 * be mended.
 */
import { openRepair } from '../../dialects/openai-chat/repair-stream.ts'
import type { Alteration } from './altered.ts'

const LINE_FEED = 0x0a

export function mending(): Alteration {
  const repair = openRepair()
  /** The beginning of a line that has not ended. */
  let rest: Buffer | null = null
  const mended = (text: string): Buffer =>
    Buffer.from(
      text.replaceAll(/^data: ?([^\r\n]*)/gm, (line: string, data: string) => {
        const better = repair.repair(data)
        return better === data ? line : `data: ${better}`
      }),
    )
  return {
    push: (told) => {
      const bytes = rest === null ? told : Buffer.concat([rest, told])
      const end = bytes.lastIndexOf(LINE_FEED) + 1
      rest = end === bytes.length ? null : bytes.subarray(end)
      return end === 0 ? null : mended(bytes.toString('utf8', 0, end))
    },
    end: (last) => {
      const parts = [rest, last].filter((part) => part !== null)
      rest = null
      return parts.length === 0 ? null : mended(Buffer.concat(parts).toString())
    },
  }
}
