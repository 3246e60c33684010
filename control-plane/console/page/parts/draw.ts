/**
 * Charts and meters, drawn. Colours are the style sheet's: nothing is styled in place.
 */
import { h, svg } from '../dom.ts'
import { dayName, percent } from '../format.ts'
import { stacked, type Bar } from './chart.ts'

const FRAME = { width: 280, height: 56 }

export type Series = Readonly<{
  /** What is counted: `requests`. */
  name: string
  days: readonly string[]
  values: readonly number[]
  /** Of them, what is shown in the colour of a fault; absent: nothing. */
  bad?: readonly number[]
  text: (value: number) => string
}>

/** Bars by day. Who cannot see it hears the days one by one. */
export function dayBars({ name, days, values, bad = [], text }: Series): SVGElement {
  const bars = stacked(values, bad, FRAME)
  const said = days.map((day, at) => `${dayName(day)}: ${text(values[at] ?? 0)}`)
  return svg(
    'svg',
    {
      class: 'chart',
      viewBox: `0 0 ${FRAME.width} ${FRAME.height}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': `${name} by day of UTC. ${said.join(', ')}`,
    },
    bars.map(({ whole, part }, at) =>
      svg(
        'g',
        {},
        svg('title', {}, said[at] ?? ''),
        svg('rect', { class: 'room', x: whole.x, y: 0, width: whole.width, height: FRAME.height }),
        svg('rect', { class: 'bar', ...placeOf(whole) }),
        svg('rect', { class: 'bar bad', ...placeOf(part) }),
      ),
    ),
  )
}

const placeOf = ({ x, y, width, height }: Bar) => ({ x, y, width, height })

/** How much of something there is. @param share from 0 to 1. */
export function meter(share: number, name: string, tone: 'good' | 'warn' | 'bad' = 'good'): HTMLElement {
  const part = Math.min(1, Math.max(0, share))
  const picture = svg(
    'svg',
    {
      class: 'meter',
      viewBox: '0 0 100 8',
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': `${name}: ${percent(share)}`,
    },
    svg('rect', { class: 'room', x: 0, y: 0, width: 100, height: 8 }),
    svg('rect', { class: `bar ${tone}`, x: 0, y: 0, width: Math.round(part * 1000) / 10, height: 8 }),
  )
  return h('span', { class: 'metered' }, picture, h('span', {}, percent(share)))
}
