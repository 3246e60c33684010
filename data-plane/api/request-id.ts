/**
 * Request ids: unique over nodes and restarts, cheap to make.
 */
import { randomBytes } from 'node:crypto'

/** @returns a maker of ids like `req_k3xq…-1z`: 72 random bits of this process, then a count. */
export function requestIds(): () => string {
  const prefix = `req_${randomBytes(9).toString('base64url')}-`
  let count = 0
  return () => {
    count += 1
    return prefix + count.toString(36)
  }
}
