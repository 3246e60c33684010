/**
 * Learns what providers were seen to serve: said on the bus when a list was fetched, asked of the control plane
 * at the start, after the bus was away, and now and then while it is.
 *
 * A list is believed for its signature and taken when it was fetched later than the one held. Losable: without
 * anybody to tell, the lists on disk stay in force, and logical models need none.
 */
import type { Bus, Unsubscribe } from '#contracts/bus/bus.ts'
import type { Subjects } from '#contracts/bus/subjects.ts'
import type { ListedModels } from '#contracts/catalog/facts/listed-model.ts'
import type { ControlLink } from '#contracts/fleet/link.ts'
import { openModelList } from '#contracts/fleet/model-lists.ts'
import type { ProviderId } from '#contracts/ids.ts'
import type { Problems } from './problems.ts'
import type { LearnedLists } from './publish.ts'
import { askWithin, Backoff, Bell } from './waits.ts'

export type ModelsPorts = Readonly<{
  bus: Bus
  subjects: Pick<Subjects, 'modelLists'>
  link: Pick<ControlLink, 'modelLists'>
  /** What is known, and is told of every change. */
  lists: LearnedLists
  /** `MasterKey.models`. */
  key: Uint8Array
  random: () => number
  problems: Problems
}>

/** For all lists together, in milliseconds. */
const ANSWER_MS = 10_000
/** Between questions while the bus is away, in milliseconds. */
const POLL_MS = 30_000
/** While nothing was ever answered, in milliseconds. */
const BACKOFF_MS = { least: 500, most: 10_000 } as const
/** Providers whose lists are kept: far more than there can be, so that it ends somewhere. */
const MOST_LISTS = 10_000

/** Begins at once; ends when disposed. */
export function followModels(ports: ModelsPorts): AsyncDisposable {
  const { bus, subjects, problems, random } = ports
  const bell = new Bell()
  const stop = new AbortController()
  const held = new Map<ProviderId, ListedModels>(ports.lists.discovered)
  const subscriptions: readonly Unsubscribe[] = [
    bus.subscribe(subjects.modelLists, (text) => learn(ports, held, [text])),
    // What was said meanwhile was not said to us.
    bus.onStatus(() => bell.ring()),
  ]
  const follow = async (): Promise<void> => {
    const backoff = new Backoff(BACKOFF_MS.least, BACKOFF_MS.most, random)
    while (!stop.signal.aborted) {
      try {
        const texts = await askWithin(ANSWER_MS, stop.signal, (signal) => ports.link.modelLists(signal))
        learn(ports, held, texts)
        backoff.reset()
        await bell.wait(bus.connected ? NEVER_MS : POLL_MS)
      } catch (error) {
        if (!stop.signal.aborted) problems.note('link_failed', { asked: 'model lists', error })
        await bell.wait(backoff.step())
      }
    }
  }
  const following = follow()
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      bell.ring()
      for (const unsubscribe of subscriptions) unsubscribe()
      await following
    },
  }
}

/** As long as a timer can be set: the bus brings what is new, and rings when it comes and goes. */
const NEVER_MS = 2_147_483_647

/** @param held by provider, with when it was fetched; changed in place. */
function learn(
  { lists, key, problems }: ModelsPorts,
  held: Map<ProviderId, ListedModels>,
  texts: readonly string[],
): void {
  let isNew = false
  for (const text of texts) {
    const opened = openModelList(text, key)
    if (!opened.ok) {
      problems.note('model_list_refused', { reason: opened.error })
      continue
    }
    const { provider, list } = opened.value
    const before = held.get(provider)
    if (before === undefined ? held.size >= MOST_LISTS : before.at >= list.at) continue
    // The models themselves stay the very same as long as nothing changed, so that nothing is compiled anew.
    const isSame = before !== undefined && JSON.stringify(before.models) === JSON.stringify(list.models)
    held.set(provider, isSame ? { at: list.at, models: before.models } : list)
    isNew ||= !isSame
  }
  if (isNew) lists.learnModels(new Map(held))
}
