/**
 * Lifts an old event body to today's shape, one version at a time, before it is read.
 *
 * Pure. Stored events are never rewritten; this table is where history meets the present. Every step has a
 * golden file of the old shape under `golden/`, so that a log from any release can be replayed.
 */
import { err, ok, type Result } from '../result.ts'

/** From version n to n+1. Must accept every body ever written at version n. */
export type Upcaster = (body: unknown) => unknown

/** Type → upcasters in order: the first lifts version 1 to 2. Empty while every event is at version 1. */
const UPCASTERS: ReadonlyMap<string, readonly Upcaster[]> = new Map()

/** @returns the body at `target`, or why it cannot get there (a later version, or no step). */
export function upcast(
  event: Readonly<{ type: string; version: number; body: unknown }>,
  target: number,
  upcasters: ReadonlyMap<string, readonly Upcaster[]> = UPCASTERS,
): Result<unknown, string> {
  if (event.version > target) {
    return err(`written at version ${event.version}, this build reads up to ${target}`)
  }
  let body = event.body
  for (let version = event.version; version < target; version++) {
    const step = upcasters.get(event.type)?.[version - 1]
    if (step === undefined) return err(`no upcaster from version ${version}`)
    try {
      body = step(body)
    } catch {
      // A damaged body: the reader freezes one entity for it, and must not stop for all.
      return err(`the upcaster from version ${version} failed`)
    }
  }
  return ok(body)
}
