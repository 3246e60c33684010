import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import { EMPTY_DIGEST } from '#contracts/commit/digest.ts'
import type { NodeReport } from '#contracts/fleet/report.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'

let plane: AdminPlane
let api: AdminPlane['api']
beforeAll(async () => {
  plane = await openAdminPlane()
  api = plane.api
})
afterAll(() => plane[Symbol.asyncDispose]())

describe('the floor', () => {
  const old: NodeReport = {
    v: 1,
    node: 'old',
    boot: 'b',
    build: 'test',
    foldVersion: FOLD_VERSION - 1,
    epoch: 1,
    received: 1,
    applied: 1,
    persisted: 1,
    served: 1,
    digest: EMPTY_DIGEST,
    link: 'bus',
    nacks: [],
    accepting: true,
  }

  test('is not raised above a live node, which is named, unless that is wanted; and never goes down', async () => {
    plane.ports.fleet.onReport(old)
    await expect(api.system.raiseFloor({ minFold: FOLD_VERSION })).rejects.toMatchObject({
      message: `a fold version below ${FOLD_VERSION} is used by old (folds version ${FOLD_VERSION - 1})`,
    })
    await expect(api.system.raiseFloor({ minFold: FOLD_VERSION + 1, force: true })).rejects.toThrow(
      `this control plane folds version ${FOLD_VERSION}`,
    )
    const { commitNo, events } = await api.system.raiseFloor({ minFold: FOLD_VERSION, force: true })
    expect(events).toEqual(['SchemaFloorRaised'])
    expect(await api.system.status()).toMatchObject({ floor: FOLD_VERSION, stop: null })
    expect(await api.fleet.wait({ commitNo, timeoutMs: 0 })).toMatchObject({
      served: false,
      behind: expect.arrayContaining([
        expect.objectContaining({
          state: 'BLOCKED_BY_FLOOR',
          report: expect.objectContaining({ node: 'old' }),
        }),
      ]),
      blockers: [{ node: 'old', foldVersion: FOLD_VERSION - 1, needs: FOLD_VERSION }],
    })
    expect(await api.system.raiseFloor({ minFold: FOLD_VERSION })).toMatchObject({ events: [] })
  })
})
