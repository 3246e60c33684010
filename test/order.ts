/**
 * What comes first. How long something takes says more about the machine than about the code; in which order a
 * process does things does not: its timers fire in the order of their times, however late they are.
 */

/** Does nothing stand between the question and its answer: no timer, no socket, not even the loop's next turn? */
export const isDoneAtOnce = (work: Promise<unknown>): Promise<boolean> =>
  isFirst(work, new Promise((resolve) => setImmediate(resolve)))

/** Is it done, well or not, before a timer of `ms` that is set now fires? */
export async function isDoneBefore(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await isFirst(work, new Promise((resolve) => (timer = setTimeout(resolve, ms))))
  } finally {
    clearTimeout(timer)
  }
}

const isFirst = (work: Promise<unknown>, other: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    work.then(
      () => true,
      () => true,
    ),
    other.then(() => false),
  ])

/** For an answer of Redis where it matters which one comes, not how fast a busy machine gives it; in milliseconds. */
export const PATIENT_MS = 5_000
