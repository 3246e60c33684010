/**
 * Turns what a schema found into issues a person can act on: the path of each problem as it was written,
 * and a message that never repeats the value.
 *
 * Pure.
 */
import type { z } from 'zod'
import type { Issue } from '../commands/rejection.ts'

/** A list of thousands of bad members is told by its first ones. */
const ISSUES_AT_MOST = 100

/** @param prefix path of the parsed value inside the input; empty: it is the input. */
export function issuesOf(error: z.core.$ZodError, prefix = ''): readonly Issue[] {
  return error.issues
    .flatMap((issue): readonly Issue[] => {
      const path = pathText(prefix, issue.path)
      if (issue.code !== 'unrecognized_keys') return [{ path, message: messageOf(issue) }]
      return issue.keys.map((key) => ({ path: pathText(path, [key]), message: 'is not known' }))
    })
    .slice(0, ISSUES_AT_MOST)
}

function messageOf({ message }: z.core.$ZodIssue): string {
  if (message.endsWith('received undefined')) return 'is missing'
  const plain = message.replace(/^Invalid (input|option|string): /, '')
  return plain.slice(0, 1).toLowerCase() + plain.slice(1)
}

/** @returns `targets[0].weight`. */
function pathText(prefix: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, prefix)
}
