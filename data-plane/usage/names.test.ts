import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { keyId } from '#contracts/ids.ts'
import { SOUND } from '#contracts/routing/standing.ts'
import { eventually } from '#test/eventually.ts'
import { deployment, lane } from '#test/fakes/deployment.ts'
import type { Principal } from '../routing/snapshot.ts'
import type { BegunAttempt } from '../upstream/failover.ts'
import { Account } from './account.ts'

const BODY_BYTES = 4_000_000
const principal = { keyId: keyId('key_1') } as Principal

/** A request that names what is remembered by pieces of its body. */
function serve(at: number): void {
  // In one piece: a name that is cut out of it is a view of it.
  const body = `${Buffer.alloc(BODY_BYTES, 'body ').toString('latin1')}asked-in-body-${at}/model-in-body-${at}`
  record(at, body.slice(BODY_BYTES))
}

/** @param route also what is asked for; behind its slash the upstream's model. */
function record(at: number, route: string): void {
  const model = route.slice(route.indexOf('/') + 1)
  const to = deployment('one', { model, lanes: [{ ...lane(), slot: at }] })
  const begun = {
    deployment: to,
    lane: to.lanes[0],
    why: 'weight',
    prepared: { dialect: 'gemini', body: null },
  }
  const candidate = { deployment: to, tier: 0, weight: 1 }
  const one = { candidate, tier: 0, factor: 1, share: 1, paced: 1, standing: SOUND }
  const rest = { hasOther: false, preferred: null, futility: null, scored: [one] }
  const account = new Account(`req_${at}`, 0, 0)
  account.calledBy(principal, 1, 'chat')
  account.askedFor(route, false)
  account.routed(route, null, 0)
  account.picked({ kind: 'chosen', chosen: one, why: 'weight', ...rest }, 0, null)
  const said = model.slice(0, 190)
  expect(account.intend(begun as unknown as BegunAttempt)?.members).toContain(`"model":"${said}`)
  expect(account.close(200, 1)?.members).toContain(`"deployment":"one/${said}`)
}

function collected(): number {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof gc !== 'function') throw new Error('there is no collector to call')
  gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe('what is remembered', () => {
  test('keeps no body alive that a name was a piece of', async () => {
    serve(0)
    const before = collected()
    for (let at = 1; at < 12; at++) serve(at)
    // The last one may be on the stack still. What is free is counted later, by a thread that has to have its turn.
    await eventually(
      () => collected() - before < 1.5 * BODY_BYTES,
      10_000,
      'letting go of all bodies but one',
    )
  })

  test('has a bound, however many names one caller thinks of', async () => {
    const names = (count: number): void => {
      for (let at = 0; at < count; at++) record(at, `${at}-${'x'.repeat(85)}/${at}-${'y'.repeat(85)}`)
    }
    names(5_000)
    const before = collected()
    names(15_000)
    // Ten thousand names would be more than ten times as much.
    await eventually(() => collected() - before < 1_000_000, 10_000, 'forgetting names')
  }, 60_000)

  test('is no long name', async () => {
    const long = 'z'.repeat(500_000)
    record(0, `${long}/${long}`)
    const before = collected()
    for (let at = 1; at < 20; at++) record(at, `${at}${long}/${at}${long}`)
    await eventually(() => collected() - before < 3 * long.length, 10_000, 'forgetting long names')
  })
})
