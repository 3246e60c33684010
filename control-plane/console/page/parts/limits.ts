/**
 * Limits of keys and models, as fields and as words.
 *
 * Pure.
 */
import { count } from '../format.ts'
import type { Field, Values } from './form.ts'

export type Limits = Readonly<{
  requestsPerMinute?: number | undefined
  tokensPerMinute?: number | undefined
  concurrency?: number | undefined
}>

const NAMES = [
  ['requestsPerMinute', 'requests a minute'],
  ['tokensPerMinute', 'tokens a minute'],
  ['concurrency', 'requests at once'],
] as const

export const limitFields = (limits: Limits): readonly Field[] =>
  NAMES.map(([name, words]) => ({
    name: `limits.${name}`,
    label: `At most ${words}`,
    kind: 'number',
    value: limits[name] === undefined ? '' : String(limits[name]),
  }))

/** What is empty is left out: it is not limited. */
export function limitsIn(values: Pick<Values, 'number'>): Limits {
  const known = NAMES.flatMap(([name]) => {
    const value = values.number(`limits.${name}`)
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(known)
}

export function limitWords(limits: Limits): string {
  const said = NAMES.flatMap(([name, words]) => {
    const value = limits[name]
    return value === undefined ? [] : [`${count(value)} ${words}`]
  })
  return said.length === 0 ? 'none' : said.join(', ')
}
