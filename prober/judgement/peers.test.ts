import { describe, expect, test } from 'vitest'
import { scoreAll, type Member } from './peers.ts'
import { newWindow } from './window.ts'

const member = (routes: readonly string[], more: Partial<Member['reading']> = {}, weight = 1): Member => ({
  reading: { errors: 0, slowness: 1, rate: 1, isSure: true, window: newWindow(0), ...more },
  routes,
  weight,
})

describe('scoreAll', () => {
  test('forgives only what the deployments of the same public model have in common', () => {
    const slow = { slowness: 6 }
    const [a, b, alone] = scoreAll([member(['fast'], slow), member(['fast'], slow), member(['other'], slow)])
    expect(a?.raw).toBe(1)
    expect(b?.raw).toBe(1)
    expect(alone?.raw).toBeLessThan(0.1)
  })

  test('counts the peers of every model a deployment serves', () => {
    const [first] = scoreAll([
      member(['x', 'y'], { errors: 0.3 }),
      member(['x'], { errors: 0.3 }),
      member(['y']),
    ])
    expect(first?.raw).toBeLessThan(0.1)
  })

  test('gives small shares a higher floor, so that each is explored at the same rate', () => {
    const [large, small] = scoreAll([member(['m'], { rate: 40 }, 4), member(['m'], { rate: 10 }, 1)])
    expect(large?.floor).toBeCloseTo(0.2 / 40)
    expect(small?.floor).toBeCloseTo(0.2 / 10)
  })

  test('calls nothing broken that has no peer', () => {
    const window = { ...newWindow(0), faultsInARow: 50 }
    const broken = { errors: 1, window }
    expect(scoreAll([member(['m'], broken)])[0]?.isBroken).toBe(false)
    expect(scoreAll([member(['m'], broken), member(['m'])])[0]?.isBroken).toBe(true)
  })
})
