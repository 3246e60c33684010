/**
 * What is recorded of a request if nothing more is heard of it.
 *
 * Pure.
 */
import type { Member } from '#contracts/roster.ts'

/** Of one request, for as long as it has no record. The spool's to fill in. */
export interface Intent extends Member {
  line: string
}

export const noIntent = (): Intent => ({ place: -1, line: '' })
