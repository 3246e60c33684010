import { describe, expect, test } from 'vitest'
import { BusUnavailable } from './bus.ts'
import { MemoryBroker } from './memory.ts'

/** Long enough for every message that is under way. */
const delivered = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

describe('the faults of the in-process bus', () => {
  test('cut off one member and no other', async () => {
    const broker = new MemoryBroker()
    const [one, other] = [broker.connect(), broker.connect()]
    await one.commits.create(1, 1)
    const heard: string[] = []
    one.subscribe('subject', (text) => heard.push(`one ${text}`))
    other.subscribe('subject', (text) => heard.push(`other ${text}`))
    const statuses: boolean[] = []
    one.onStatus((connected) => statuses.push(connected))

    one.setDown(true)
    expect(one.publish('subject', 'lost')).toBe(false)
    expect(other.publish('subject', 'a')).toBe(true)
    for (const asking of [
      one.commits.range(1),
      one.commits.append(1, 1, 'x'),
      one.registers.get('k'),
      one.registers.put('k', 'v', 'any'),
    ]) {
      await expect(asking).rejects.toThrow(BusUnavailable)
    }
    expect(await other.commits.append(1, 1, 'stored')).toBe('stored')
    await delivered()
    one.setDown(false)
    other.publish('subject', 'b')
    await delivered()
    expect(heard).toEqual(['other a', 'one b', 'other b'])
    expect(statuses).toEqual([false, true])
    expect(await one.commits.read(1, 1)).toBe('stored')
  })

  test('lose live messages as told, and nothing that is stored', async () => {
    const broker = new MemoryBroker()
    let lost = 0
    const member = broker.connect({ lose: () => (lost += 1) % 2 === 1 })
    await member.commits.create(1, 1)
    const live: string[] = []
    member.commits.live(1, (text) => live.push(text))
    for (let commit = 1; commit <= 4; commit++) await member.commits.append(1, commit, `c${commit}`)
    await delivered()
    expect(live).toEqual(['c2', 'c4'])
    expect(await member.commits.read(1, 3)).toBe('c3')
  })

  test('lose what was under way to a member that is cut off meanwhile', async () => {
    const broker = new MemoryBroker()
    const [one, other] = [broker.connect(), broker.connect()]
    const heard: string[] = []
    one.subscribe('subject', (text) => heard.push(text))
    other.publish('subject', 'under way')
    one.setDown(true)
    await delivered()
    expect(heard).toEqual([])
  })
})

test('the in-process bus begins a stream where it is told to', async () => {
  const bus = new MemoryBroker().connect()
  await bus.commits.create(1, 101)
  expect(await bus.commits.range(1)).toEqual({ first: 101, last: 100 })
  expect(await bus.commits.append(1, 100, 'too early')).toBe('conflict')
  expect(await bus.commits.append(1, 101, 'first')).toBe('stored')
  expect(await bus.commits.read(1, 1)).toBeNull()
  expect(await bus.commits.read(1, 101)).toBe('first')
})
