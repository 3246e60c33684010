/**
 * Where the bars of a small chart stand.
 *
 * Pure. A chart is as wide as it is told; the tallest bar is as high as there is room.
 */
export type Bar = Readonly<{ x: number; y: number; width: number; height: number }>
export type Frame = Readonly<{ width: number; height: number }>

/** Between two bars, as a part of the room that each has. */
const GAP = 0.25
/** What is not nothing is seen. */
const LEAST = 1.5

/** One bar a value, in their order; negative and unknown values stand on the floor. */
export function barsOf(values: readonly number[], { width, height }: Frame): readonly Bar[] {
  const most = Math.max(0, ...values.filter(Number.isFinite))
  const room = values.length === 0 ? 0 : width / values.length
  return values.map((value, at) => {
    const tall = value > 0 ? Math.max(LEAST, (value / most) * height) : 0
    return {
      x: rounded(at * room + (room * GAP) / 2),
      y: rounded(height - tall),
      width: rounded(room * (1 - GAP)),
      height: rounded(tall),
    }
  })
}

/** One step a tenth of a unit: the same picture twice is the same text twice. */
const rounded = (value: number): number => Math.round(value * 10) / 10

/** Two parts of a whole, the second one above the first: of requests those that failed. */
export function stacked(
  wholes: readonly number[],
  parts: readonly number[],
  frame: Frame,
): readonly Readonly<{ whole: Bar; part: Bar }>[] {
  return barsOf(wholes, frame).map((whole, at) => {
    const all = wholes[at] ?? 0
    const share = all > 0 ? Math.min(1, Math.max(0, (parts[at] ?? 0) / all)) : 0
    const height = share === 0 ? 0 : rounded(Math.max(LEAST, whole.height * share))
    return { whole, part: { ...whole, height } }
  })
}
