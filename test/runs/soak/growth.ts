/** Memory of a process at one moment. */
export type Sample = Readonly<{ hours: number; mb: number }>

/**
 * How fast a process grows, in MB an hour, by its peaks: the last third of a run beside the one before it.
 *
 * V8 lets memory rise and stay up for ten minutes and more before it gives 30 MB back at once. A line through all
 * samples tells above all where in that wave a run began and ended: of two nodes with equal peaks one grew by 28 MB
 * an hour, the other shrank by 26. What is never given back raises the peaks; where in its third a peak stands is
 * not looked at, so over half an hour a leak of 30 MB an hour can look like 20; one of 40 does not.
 *
 * @param samples in order, at even distances.
 */
export function growthOfPeaks(samples: readonly Sample[]): number {
  const third = Math.floor(samples.length / 3)
  const [before, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)]
  const peak = (some: readonly Sample[]): number => Math.max(...some.map(({ mb }) => mb))
  const middle = (some: readonly Sample[]): number => ((some[0]?.hours ?? 0) + (some.at(-1)?.hours ?? 0)) / 2
  return (peak(last) - peak(before)) / (middle(last) - middle(before))
}
