import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { providerId, secretId } from '#contracts/ids.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import { Secret } from '#contracts/security/secret.ts'
import { credentialAdded, keyIssued, providerRegistered } from '#test/model/log-builder.ts'
import { hasConverged, masterKey, pass, startWorld, useFakeTime } from '#test/model/test-node.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

describe('a storm of commits', () => {
  test('builds at most fifty times a second in a storm of a thousand commits', async () => {
    const { log, say, start } = await startWorld()
    await using node = await start()
    await pass(100)
    const before = node.swaps.length
    for (let slice = 0; slice < 100; slice++) {
      for (let index = 0; index < 10; index++) log.append([keyIssued(`key_${slice}_${index}`)])
      await say()
      await pass(10)
    }
    await pass(50)
    hasConverged(node, log)
    expect(node.swaps.length - before).toBeLessThanOrEqual(52)
  })

  test('acknowledges a provider whose secret is here, though others keep being added', async () => {
    const { log, link, say, start } = await startWorld()
    await using node = await start()
    for (let count = 1; count <= 100; count++) {
      const id = `secret-${count}`
      link.vault.set(secretId(id), sealSecret(masterKey.vault, id, new Secret('sk-upstream')))
      log.append([providerRegistered(`p${count}`), credentialAdded(`p${count}`, id)])
      await say()
      // An answer takes a millisecond: there is hardly a moment without a question under way.
      await pass(1)
      const { served } = node.follower.readout()
      expect(served).toBeGreaterThan(log.head - 60)
      const provider = node.holder.current?.providers.get(providerId(`p${served - 2}`))
      if (served > 2) expect(JSON.stringify(provider?.deployments.values().next())).toContain('Bearer')
    }
    await pass(50)
    expect(node.follower.readout()).toMatchObject({ served: log.head, nacks: [] })
  })
})
