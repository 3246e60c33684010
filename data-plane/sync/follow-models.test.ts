import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import type { ListedModels } from '#contracts/catalog/facts/listed-model.ts'
import { signModelList } from '#contracts/fleet/model-lists.ts'
import { providerId, type ProviderId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { TestLink, TestLog } from '#test/model/log-builder.ts'
import { hops, masterKey, pass, subjects, useFakeTime } from '#test/model/test-node.ts'
import { followModels } from './follow-models.ts'
import { Problems } from './problems.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

const listOf = (at: number, ...ids: readonly string[]): ListedModels => ({
  at,
  models: ids.map((id) => ({ id })),
})
const signed = (provider: string, at: number, ...ids: readonly string[]): string =>
  signModelList({ provider: providerId(provider), list: listOf(at, ...ids) }, masterKey.models)

function world(onDisk: ReadonlyMap<ProviderId, ListedModels> = new Map()) {
  const broker = new MemoryBroker()
  const bus = broker.connect()
  const speaker = broker.connect()
  const link = new TestLink(new TestLog())
  const problems = new Problems(silentLogger, systemClock)
  let discovered = onDisk
  let learned = 0
  const lists = {
    get discovered() {
      return discovered
    },
    learnModels: (next: ReadonlyMap<ProviderId, ListedModels>) => {
      discovered = next
      learned += 1
    },
  }
  const follow = () =>
    followModels({ bus, subjects, link, lists, key: masterKey.models, random: () => 0.5, problems })
  const ids = (provider: string) => discovered.get(providerId(provider))?.models.map(({ id }) => id)
  const say = async (text: string): Promise<void> => {
    speaker.publish(subjects.modelLists, text)
    await hops()
  }
  return { bus, link, problems, follow, ids, say, learned: () => learned }
}

describe('the model lists a node follows', () => {
  test('are asked for at the start, and learned from the bus afterwards', async () => {
    const { link, follow, ids, say } = world()
    link.lists = [signed('a', 5, 'm'), signed('b', 5, 'x/y')]
    await using _ = follow()
    await pass(10)
    expect([ids('a'), ids('b')]).toEqual([['m'], ['x/y']])
    await say(signed('a', 6, 'm', 'n'))
    expect([ids('a'), ids('b')]).toEqual([['m', 'n'], ['x/y']])
  })

  test('are replaced only by later ones, whatever order they come in', async () => {
    const { follow, ids, say } = world()
    await using _ = follow()
    await say(signed('a', 9, 'new'))
    await say(signed('a', 8, 'old'))
    await say(signed('a', 9, 'other'))
    expect(ids('a')).toEqual(['new'])
  })

  test('change nothing when they say the same again, and are as new as they say all the same', async () => {
    const { follow, ids, say, learned } = world()
    await using _ = follow()
    await say(signed('a', 1, 'm'))
    await say(signed('a', 10, 'm'))
    await say(signed('a', 5, 'old'))
    expect([ids('a'), learned()]).toEqual([['m'], 1])
  })

  test('are not taken from whoever cannot sign them', async () => {
    const { follow, ids, say, problems } = world()
    await using _ = follow()
    await say(signed('a', 1, 'm').replace('"m"', '"evil"'))
    await say('rubbish')
    expect([ids('a'), problems.of('model_list_refused')]).toEqual([undefined, 2])
  })

  test('begin with those on disk and do without a control plane', async () => {
    const { link, follow, ids, problems } = world(new Map([[providerId('a'), listOf(5, 'm')]]))
    link.down = true
    await using _ = follow()
    await pass(60_000)
    expect(ids('a')).toEqual(['m'])
    expect(problems.of('link_failed')).toBeGreaterThan(3)
    expect(link.asked.modelLists).toBeLessThan(20)
    link.down = false
    link.lists = [signed('a', 6, 'n')]
    await pass(10_000)
    expect(ids('a')).toEqual(['n'])
  })

  test('are asked for again when the bus is back, and now and then while it is away', async () => {
    const { bus, link, follow, ids } = world()
    await using _ = follow()
    await pass(10)
    expect(link.asked.modelLists).toBe(1)
    await pass(3_600_000)
    expect(link.asked.modelLists).toBe(1)
    bus.setDown(true)
    await pass(61_000)
    expect(link.asked.modelLists).toBe(4)
    link.lists = [signed('a', 1, 'm')]
    bus.setDown(false)
    await pass(10)
    expect(ids('a')).toEqual(['m'])
  })
})
