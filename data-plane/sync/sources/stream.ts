/**
 * The first source: what the stream on the bus holds after our position, many commits at a time.
 */
import type { CommitStream } from '#contracts/bus/bus.ts'
import type { FollowState } from '../cursor.ts'
import type { Intake } from '../intake.ts'
import type { Problems } from '../problems.ts'

/** Commits asked of the stream, and verified without a pause, at a time. */
export const BATCH = 64

export type StreamPorts = Readonly<{
  commits: CommitStream
  intake: Intake
  problems: Problems
  stop: AbortSignal
}>

/** Never rejects: a broker that cannot be asked lacks everything, and the log can be asked. */
export async function readStream(
  { commits, intake, problems, stop }: StreamPorts,
  { at, wanted }: Extract<FollowState, { kind: 'seeking' }>,
): Promise<'all' | 'some' | 'lacking'> {
  const epoch = Math.max(at.epoch, wanted.epoch)
  const from = at.commit
  const lacking = (): 'lacking' => {
    if (!stop.aborted) problems.note('stream_lacking', { after: intake.commit })
    return 'lacking'
  }
  try {
    const range = await commits.range(epoch)
    // No stream, as after the broker's start, lacks nothing unless we know of more.
    if (range === null) return wanted.commit > from ? lacking() : 'lacking'
    for (let held = intake.commit; held < range.last; held = intake.commit) {
      if (held + 1 < range.first || stop.aborted) return lacking()
      const last = Math.min(range.last, held + BATCH)
      const numbers = Array.from({ length: last - held }, (_, index) => held + 1 + index)
      const texts = await Promise.all(numbers.map((number) => commits.read(epoch, number)))
      intake.take(
        texts.filter((text) => text !== null),
        'bus',
      )
      if (intake.commit < last) return lacking()
    }
    return intake.commit > from ? 'some' : 'all'
  } catch {
    return 'lacking'
  }
}
