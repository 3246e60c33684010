import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Provider } from '#contracts/catalog/provider.ts'
import { SECRETS_PER_REQUEST } from '#contracts/fleet/link.ts'
import { providerId, secretId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { deriveKeys } from '#contracts/security/master-key.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import { Secret } from '#contracts/security/secret.ts'
import { credentialAdded, providerRegistered, TestLink, TestLog } from '#test/model/log-builder.ts'
import { masterKey, pass, useFakeTime } from '#test/model/test-node.ts'
import { Problems } from './problems.ts'
import { NodeSecrets } from './secrets.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

/** A provider with these secrets. */
function providerWith(...ids: readonly string[]): Provider {
  const log = new TestLog()
  log.append([providerRegistered('p0'), ...ids.map((id) => credentialAdded('p0', id))])
  const provider = log.catalog().providers.get(providerId('p0'))
  if (provider === undefined) throw new Error('no provider')
  return provider
}

function world(vaultKey: Uint8Array = masterKey.vault) {
  const link = new TestLink(new TestLog())
  const problems = new Problems(silentLogger, systemClock)
  const answers: boolean[] = []
  const secrets = new NodeSecrets({ link, vaultKey, problems, onAsked: (arrived) => answers.push(arrived) })
  const put = (id: string): string => {
    const text = sealSecret(masterKey.vault, id, new Secret(`text of ${id}`))
    link.vault.set(secretId(id), text)
    return text
  }
  return { link, problems, answers, secrets, put }
}

describe('the secrets of a node', () => {
  test('are fetched when a catalog names them, opened, and kept as they came', async () => {
    const { link, answers, secrets, put } = world()
    using _ = secrets
    const texts = [put('one'), put('two')]
    secrets.want([providerWith('one', 'two')])
    expect(secrets.isWaiting).toBe(true)
    await pass(10)
    expect([secrets.reveal(secretId('one')), secrets.reveal(secretId('two'))]).toEqual([
      'text of one',
      'text of two',
    ])
    expect([...secrets.vaultTexts().values()]).toEqual(texts)
    expect([secrets.isWaiting, answers, link.asked.secrets]).toEqual([false, [true], 1])
    await pass(5_000)
    secrets.want([providerWith('one', 'two')])
    await pass(5_000)
    expect(link.asked.secrets).toBe(1)
  })

  test('are forgotten when no catalog names them', async () => {
    const { secrets, put } = world()
    using _ = secrets
    put('old')
    put('new')
    secrets.want([providerWith('old')])
    await pass(10)
    secrets.want([providerWith('new')])
    await pass(10)
    expect(secrets.reveal(secretId('old'))).toBeUndefined()
    expect([...secrets.vaultTexts().keys()]).toEqual(['new'])
  })

  test('that are missing are asked for every second until they arrive', async () => {
    const { link, problems, answers, secrets, put } = world()
    using _ = secrets
    secrets.want([providerWith('late')])
    await pass(10)
    expect([secrets.isWaiting, answers]).toEqual([false, [false]])
    await pass(3_000)
    expect(link.asked.secrets).toBe(4)
    put('late')
    await pass(1_000)
    expect(secrets.reveal(secretId('late'))).toBe('text of late')
    expect(answers.at(-1)).toBe(true)
    expect(problems.of('secret_missing')).toBe(4)
  })

  test('stop being waited for after two seconds without an answer', async () => {
    const { link, answers, secrets, put } = world()
    using _ = secrets
    put('slow')
    link.hanging = true
    secrets.want([providerWith('slow')])
    await pass(1_900)
    expect([secrets.isWaiting, answers]).toEqual([true, []])
    await pass(200)
    expect([secrets.isWaiting, answers]).toEqual([false, [false]])
    link.hanging = false
    await pass(1_100)
    expect(secrets.reveal(secretId('slow'))).toBe('text of slow')
  })

  test('are asked for in batches, and those that never come do not keep the others away', async () => {
    const { link, secrets, put } = world()
    using _ = secrets
    const lost = Array.from({ length: SECRETS_PER_REQUEST }, (_unused, index) => `lost-${index}`)
    link.down = true
    secrets.want([providerWith(...lost, 'found')])
    await pass(10)
    put('found')
    link.down = false
    await pass(2_100)
    expect(secrets.reveal(secretId('found'))).toBe('text of found')
  })

  test('sealed under another master key are counted and not taken', async () => {
    const { problems, secrets, put } = world(deriveKeys(Buffer.alloc(32, 9)).vault)
    using _ = secrets
    put('foreign')
    secrets.want([providerWith('foreign')])
    await pass(10)
    expect(secrets.reveal(secretId('foreign'))).toBeUndefined()
    expect(problems.of('secret_unreadable')).toBe(1)
  })

  test('come from the copy on disk without asking anybody', async () => {
    const { link, secrets, put } = world()
    using _ = secrets
    secrets.restore(new Map([[secretId('kept'), put('kept')]]))
    secrets.want([providerWith('kept')])
    await pass(2_000)
    expect([secrets.reveal(secretId('kept')), link.asked.secrets]).toEqual(['text of kept', 0])
  })

  test('leave no timer behind', async () => {
    const { secrets } = world()
    secrets.want([providerWith('late')])
    await pass(10)
    secrets[Symbol.dispose]()
    await pass(10)
    expect(vi.getTimerCount()).toBe(0)
  })
})
