import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { pass, useFakeTime } from '#test/model/test-node.ts'
import { askWithin, Backoff, Bell, NoAnswer } from './waits.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

const never = new AbortController().signal

describe('a question with a deadline', () => {
  test('brings its answer and leaves no timer', async () => {
    expect(await askWithin(1_000, never, () => Promise.resolve('yes'))).toBe('yes')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('ends at the deadline although whoever was asked does not listen', async () => {
    let told = false
    const asked = askWithin(1_000, never, (signal) => {
      signal.addEventListener('abort', () => (told = true))
      return new Promise(() => undefined)
    }).catch((error: unknown) => error)
    await pass(1_000)
    expect(await asked).toBeInstanceOf(NoAnswer)
    expect(told).toBe(true)
  })

  test('ends when nobody wants the answer any more, and is not asked after that', async () => {
    const stop = new AbortController()
    const asked = askWithin(60_000, stop.signal, () => new Promise(() => undefined)).catch(
      (error: unknown) => error,
    )
    stop.abort()
    expect(await asked).toBeInstanceOf(NoAnswer)
    const question = vi.fn<() => Promise<string>>()
    await expect(askWithin(1_000, stop.signal, question)).rejects.toThrow(NoAnswer)
    expect(question).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a bell', () => {
  test('ends a wait, or the next one when it rang before', async () => {
    const bell = new Bell()
    const ended = vi.fn<() => void>()
    void bell.wait(60_000).then(ended)
    await pass(100)
    expect(ended).not.toHaveBeenCalled()
    bell.ring()
    await pass(0)
    await Promise.resolve()
    expect(ended).toHaveBeenCalledOnce()
    bell.ring()
    await bell.wait(60_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('does not make anybody wait longer than the limit', async () => {
    const ended = vi.fn<() => void>()
    void new Bell().wait(500).then(ended)
    await pass(495)
    expect(ended).not.toHaveBeenCalled()
    await pass(10)
    expect(ended).toHaveBeenCalledOnce()
  })
})

test('waits double up to the most, are spread over half their length, and begin again after a success', () => {
  const draws = [1, 1, 0, 1, 1]
  const backoff = new Backoff(100, 500, () => draws.shift() ?? 0)
  expect([backoff.step(), backoff.step(), backoff.step(), backoff.step()]).toEqual([100, 200, 200, 500])
  backoff.reset()
  expect(backoff.step()).toBe(100)
})
