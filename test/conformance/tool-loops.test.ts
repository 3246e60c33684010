/**
 * Each SDK's own tool loop over each upstream dialect, whole and streaming. The upstream must have been sent
 * all that was said, in order, with the opaque state as it gave it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DIALECTS } from '#data-plane/dialects/canonical/request.ts'
import { Gateway } from '../integration/gateway.ts'
import { converse } from './loops/conversation.ts'
import { SDK_NAMES } from './sdk/sdks.ts'
import { Upstream } from './upstream.ts'

let upstream: Upstream
let gateway: Gateway
beforeAll(async () => {
  // The AI SDK warns of models' names that are not its own.
  globalThis.AI_SDK_LOG_WARNINGS = false
  upstream = await Upstream.start()
  gateway = await Gateway.start({ providers: upstream.providers })
})
afterAll(async () => {
  globalThis.AI_SDK_LOG_WARNINGS = undefined
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const CASES = SDK_NAMES.flatMap((sdk) =>
  DIALECTS.flatMap((dialect) =>
    [false, true].map((stream) => [sdk, dialect, stream ? 'streaming' : 'whole', stream] as const),
  ),
)

test.each(CASES)('the loop of %s ends well over %s, %s', async (sdk, dialect, _how, stream) => {
  const origin = `http://127.0.0.1:${gateway.port}`
  const { told, histories, expected } = await converse(upstream, origin, { sdk, dialect, stream })
  expect(told).toBe(expected.told)
  expect(histories).toEqual(expected.histories)
})
