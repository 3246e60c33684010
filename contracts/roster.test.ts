import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Roster, type Member } from './roster.ts'

test('a roster has whoever was added and not removed since, once, whatever the order', () => {
  const step = fc.record({ who: fc.nat({ max: 9 }), comes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const all: (Member & { name: number })[] = Array.from({ length: 10 }, (_, name) => ({
        place: -1,
        name,
      }))
      const roster = new Roster<Member & { name: number }>()
      const wanted = new Set<number>()
      for (const { who, comes } of steps) {
        const one = all[who]!
        if (comes) {
          roster.add(one)
          wanted.add(who)
        } else {
          roster.remove(one)
          wanted.delete(who)
        }
        expect(roster.size).toBe(wanted.size)
        expect(new Set(roster.members.map(({ name }) => name))).toEqual(wanted)
        for (const [at, member] of roster.members.entries()) expect(member.place).toBe(at)
        for (const { name, place } of all) if (!wanted.has(name)) expect(place).toBe(-1)
      }
      expect(new Set(roster.takeAll().map(({ name }) => name))).toEqual(wanted)
      expect([roster.size, ...all.map(({ place }) => place)]).toEqual([0, ...all.map(() => -1)])
    }),
  )
})

/**
 * Forty thousand members come and go, 64 of them at a time, and only the young generation is collected. What has
 * been taken for old by then is garbage, and nobody finds it. Prints what it takes, in bytes, for each.
 */
const SCRIPT = `
  import { getHeapSpaceStatistics } from 'node:v8'
  import { Roster } from ${JSON.stringify(new URL('roster.ts', import.meta.url).href)}
  const oldBytes = () => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space').space_used_size
  function grown(add, remove) {
    gc()
    const before = oldBytes()
    const there = []
    for (let at = 0; at < 40_000; at++) {
      const member = { place: -1, held: new Array(100).fill(at) }
      add(member)
      there.push(member)
      if (there.length > 64) remove(there.shift())
      if (at % 1_000 === 0) gc({ type: 'minor' })
    }
    return oldBytes() - before
  }
  const [roster, set] = [new Roster(), new Set()]
  const bytes = {
    roster: grown((member) => roster.add(member), (member) => roster.remove(member)),
    set: grown((member) => set.add(member), (member) => set.delete(member)),
  }
  process.stdout.write(JSON.stringify(bytes))`

test('of those that have left a roster the collector keeps none for old, as it does of a Set', async () => {
  const args = ['--expose-gc', '--input-type=module', '--eval', SCRIPT]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const bytes: unknown = JSON.parse(stdout)
  expect(bytes).toEqual({ roster: expect.any(Number), set: expect.any(Number) })
  const { roster, set } = bytes as Readonly<Record<'roster' | 'set', number>>
  // Of some 33 MB in all: about 0.01 and 22 MB.
  expect(roster).toBeLessThan(1e6)
  expect(set).toBeGreaterThan(10 * Math.max(roster, 1e5))
})
