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
