/**
 * Why a command is refused, as data.
 *
 * Pure.
 */
import { err, type Err } from '#contracts/result.ts'

/** `path` as the caller wrote it: `targets[1].provider`. */
export type Issue = Readonly<{ path: string; message: string }>

export type Rejection =
  | Readonly<{ kind: 'not_found'; what: string }>
  | Readonly<{ kind: 'exists'; what: string; version: number }>
  /** Somebody else changed it first. */
  | Readonly<{ kind: 'conflict'; what: string; expected: number; current: number }>
  | Readonly<{ kind: 'in_use'; what: string; by: readonly string[] }>
  | Readonly<{ kind: 'invalid'; issues: readonly Issue[] }>
  /** The command id was used before, for another command. */
  | Readonly<{ kind: 'key_reused'; commandId: string }>

export const invalid = (path: string, message: string): Err<Rejection> =>
  err({ kind: 'invalid', issues: [{ path, message }] })

/** One sentence for people. */
export function describeRejection(rejection: Rejection): string {
  switch (rejection.kind) {
    case 'not_found':
      return `${rejection.what} does not exist`
    case 'exists':
      return `${rejection.what} exists already, at version ${rejection.version}`
    case 'conflict':
      return `${rejection.what} is at version ${rejection.current}, not ${rejection.expected}: look again, then repeat the change`
    case 'in_use':
      return `${rejection.what} is used by ${rejection.by.join(', ')}`
    case 'invalid':
      return rejection.issues
        .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
        .join('; ')
    case 'key_reused':
      return `command id ${rejection.commandId} was used for another command`
    default:
      return rejection satisfies never
  }
}
