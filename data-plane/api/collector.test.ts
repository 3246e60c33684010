import { spawnSync } from 'node:child_process'
import { constants, PerformanceObserver } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import { eventually } from '#test/eventually.ts'
import { countBody, ROOMY_HEAP } from './collector.ts'

const MIB = 1024 * 1024

test('bodies are swept by collections of the young generation, one for every 12 MB of them', async () => {
  const kinds: unknown[] = []
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const detail = 'detail' in entry ? entry.detail : null
      if (typeof detail === 'object' && detail !== null && 'kind' in detail) kinds.push(detail.kind)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  const minors = (): number => kinds.filter((kind) => kind === constants.NODE_PERFORMANCE_GC_MINOR).length
  try {
    for (let count = 0; count < 11; count++) countBody(MIB)
    await new Promise((resolve) => setImmediate(resolve))
    const before = minors()
    for (let count = 0; count < 10 * 12; count++) countBody(MIB)
    await eventually(() => minors() >= before + 10)
  } finally {
    observer.disconnect()
  }
})

test('nobody else is lent the collector', async () => {
  const { runInNewContext } = await import('node:vm')
  for (let count = 0; count < 12; count++) countBody(MIB)
  expect(runInNewContext('typeof gc')).toBe('undefined')
})

test('what V8 is told of the heap it understands; it says nothing of flags that it does not know', () => {
  const run = (flags: readonly string[]): number | null =>
    spawnSync(process.execPath, [...flags, '-e', '0']).status
  expect(run(ROOMY_HEAP)).toBe(0)
  expect(run(['--no-such-flag-of-the-heap'])).not.toBe(0)
})
