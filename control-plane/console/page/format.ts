/**
 * Numbers and times as people read them.
 *
 * Pure. Times are epoch milliseconds and shown in the reader's own zone; UTC is told beside them.
 */
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

const CENTS = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD' })
const PARTS = new Intl.NumberFormat('en', {
  style: 'currency',
  currency: 'USD',
  maximumSignificantDigits: 3,
})

/** `1,234`; of a large number `1.2M`. */
export const count = (value: number): string =>
  Math.abs(value) < 100_000 ? WHOLE.format(value) : SHORT.format(value)

/** As many digits as it takes to see that it is not nothing. */
export function dollars(value: number | null): string {
  if (value === null) return '–'
  const size = Math.abs(value)
  const text =
    size === 0 || size >= 0.1 ? CENTS.format(size) : size < 1e-6 ? '<$0.000001' : PARTS.format(size)
  return value < 0 ? `-${text}` : text
}

export function percent(share: number): string {
  const value = share * 100
  return `${value.toFixed(value !== 0 && Math.abs(value) < 10 ? 1 : 0)} %`
}

/** A plain number, without the noise of its last bits. */
export const figure = (value: number): string => String(Number(value.toPrecision(6)))

/** `850 ms`, `1.2 s`, `3 min`, `2 h`, `4 d`. */
export function span(ms: number): string {
  const size = Math.abs(ms)
  if (size < SECOND) return `${Math.round(ms)} ms`
  if (size < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`
  if (size < MINUTE) return `${Math.round(ms / SECOND)} s`
  if (size < HOUR) return `${Math.round(ms / MINUTE)} min`
  if (size < 2 * DAY) return `${Math.round(ms / HOUR)} h`
  return `${Math.round(ms / DAY)} d`
}

/** Clocks differ by a little: what seems to come is now. */
export const ago = (at: number, now: number): string =>
  now - at < 2 * SECOND ? 'just now' : `${span(now - at)} ago`

const LOCAL = {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
} as const

/** `28 Nov, 22:10:03`, with the year where it is another one. @param zone absent: the reader's own. */
export function moment(at: number, now: number, zone?: string): string {
  const isOther = new Date(at).getUTCFullYear() !== new Date(now).getUTCFullYear()
  return new Intl.DateTimeFormat('en-GB', {
    ...LOCAL,
    ...(isOther ? { year: 'numeric' } : {}),
    ...(zone === undefined ? {} : { timeZone: zone }),
  }).format(at)
}

/** `2026-11-28 22:10:03 UTC` */
export const utc = (at: number): string =>
  new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')

/** Days of UTC, as the books have them, the last one today: `2026-11-28`. */
export const daysUntil = (now: number, days: number): readonly string[] =>
  Array.from({ length: days }, (_, at) => new Date(now - (days - 1 - at) * DAY).toISOString().slice(0, 10))

/** `28 Nov` of `2026-11-28`. */
export const dayName = (day: string): string =>
  new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' }).format(
    Date.parse(`${day}T00:00:00Z`),
  )

/** `2026-11-28T22:10`, as a field for a local time has it. */
export function localField(at: number): string {
  const date = new Date(at - new Date(at).getTimezoneOffset() * MINUTE)
  return date.toISOString().slice(0, 16)
}
