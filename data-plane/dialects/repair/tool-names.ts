/**
 * Names of tools that the target takes, and the way back.
 *
 * Pure. A name that does not fit keeps what can be read of it and ends in a hash of the whole, so that two
 * tools never share one and the same tool has the same name in every request.
 */
import { shortHash } from './hash.ts'

export type ToolNameForm = Readonly<{
  length: number
  /** `openai`: `[A-Za-z0-9_-]`. `gemini`: also dots and colons, but a letter or underscore first. */
  pattern: 'openai' | 'gemini'
}>

export type ToolNames = Readonly<{
  sent: (name: string) => string
  /** Name as sent → the client's own; only those that were changed. */
  back: ReadonlyMap<string, string>
}>

const FITS = { openai: /^[A-Za-z0-9_-]+$/, gemini: /^[A-Za-z_][A-Za-z0-9_.:-]*$/ }
const FOREIGN = { openai: /[^A-Za-z0-9_-]/g, gemini: /[^A-Za-z0-9_.:-]/g }

const HASH_LENGTH = 8

/** @param names of the tools and of the calls in the history; a name may come more than once. */
export function fitToolNames(names: readonly string[], form: ToolNameForm): ToolNames {
  const taken = new Set(names.filter((name) => isFit(name, form)))
  const changed = new Map<string, string>()
  const back = new Map<string, string>()
  for (const name of names) {
    if (isFit(name, form) || changed.has(name)) continue
    let fitted = fit(name, form, 0)
    for (let salt = 1; taken.has(fitted); salt++) fitted = fit(name, form, salt)
    taken.add(fitted)
    changed.set(name, fitted)
    back.set(fitted, name)
  }
  return { sent: (name) => changed.get(name) ?? (isFit(name, form) ? name : fit(name, form, 0)), back }
}

const isFit = (name: string, { length, pattern }: ToolNameForm): boolean =>
  name.length <= length && FITS[pattern].test(name)

/** @param salt another number for another name, where the first is already somebody's. */
function fit(name: string, { length, pattern }: ToolNameForm, salt: number): string {
  const hash = shortHash(salt === 0 ? name : `${name}#${salt}`, Math.min(HASH_LENGTH, length))
  const readable = name.replace(FOREIGN[pattern], '_')
  const start = pattern === 'gemini' && !/^[A-Za-z_]/.test(readable) ? `_${readable}` : readable
  const room = Math.max(0, length - hash.length - 1)
  const fitted = room === 0 ? hash : `${start.slice(0, room)}_${hash}`
  return fitted.slice(0, length)
}
