import { describe, expect, test } from 'vitest'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { modelName, modelStream, providerId, providerStream, secretId } from '#contracts/ids.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import { Secret } from '#contracts/security/secret.ts'
import { eventually } from '#test/eventually.ts'
import { credentialAdded, providerRegistered, TEST_KEYS, TestLink, TestLog } from '#test/model/log-builder.ts'
import { CatalogRoster } from './roster.ts'

const on = (provider: string, type: 'ProviderDisabled' | 'ProviderDrainStarted'): CatalogEvent => ({
  type,
  stream: providerStream(providerId(provider)),
  body: {},
})
const model = (
  name: string,
  aliases: readonly string[],
  targets: readonly (readonly [string, string, number])[],
): CatalogEvent => ({
  type: 'LogicalModelCreated',
  stream: modelStream(modelName(name)),
  body: {
    name,
    origin: 'api',
    aliases: [...aliases],
    targets: targets.map(([provider, upstream, weight]) => ({ provider, model: upstream, weight, tier: 0 })),
  },
})

/** A control plane that holds these events, and can open the secrets named. */
function linkOf(events: readonly CatalogEvent[], secrets: readonly string[] = []): TestLink {
  const log = new TestLog()
  log.append(events)
  const link = new TestLink(log)
  for (const name of secrets) {
    const id = secretId(name)
    link.vault.set(id, sealSecret(TEST_KEYS.vault, id, new Secret(`value of ${name}`)))
  }
  return link
}

const rosterOf = (link: TestLink): CatalogRoster =>
  new CatalogRoster({ link, vaultKey: TEST_KEYS.vault, logger: silentLogger })

/** What the roster tells once it tells anything. */
async function told(link: TestLink): Promise<readonly string[]> {
  await using roster = rosterOf(link)
  await eventually(() => link.asked.secrets > 0 && roster.list().length > 0)
  return roster
    .list()
    .map(({ provider, model: upstream, weight, routes, credential }) =>
      [`${provider}/${upstream}`, weight, [...routes].toSorted().join('+'), credential?.reveal() ?? '-'].join(
        ' ',
      ),
    )
    .toSorted()
}

describe('the roster', () => {
  test('has every deployment once, with all it serves, its highest weight and its first secret', async () => {
    const link = linkOf(
      [
        providerRegistered('a', { routing: { weight: 2 }, models: { static: ['m', 'n'] } }),
        credentialAdded('a', 'sec_1'),
        credentialAdded('a', 'sec_2'),
        providerRegistered('b', { models: { static: [] } }),
        model(
          'fast',
          ['quick'],
          [
            ['a', 'm', 5],
            ['b', 'x', 0],
          ],
        ),
        model('slow', [], [['a', 'm', 1]]),
      ],
      ['sec_1', 'sec_2'],
    )
    expect(await told(link)).toEqual([
      'a/m 5 fast+m+quick+slow value of sec_1',
      'a/n 2 n value of sec_1',
      'b/x 0 fast+quick -',
    ])
  })

  test('leaves out who takes no traffic, and whose secret cannot be opened', async () => {
    const link = linkOf(
      [
        providerRegistered('a'),
        providerRegistered('off'),
        on('off', 'ProviderDisabled'),
        providerRegistered('leaving'),
        on('leaving', 'ProviderDrainStarted'),
        providerRegistered('locked'),
        credentialAdded('locked', 'sec_locked'),
        providerRegistered('lost'),
        credentialAdded('lost', 'sec_lost'),
      ],
      [],
    )
    link.vault.set(secretId('sec_locked'), 'not what we sealed')
    expect(await told(link)).toEqual(['a/a-model 1 a-model -'])
  })

  test('is empty until a control plane answers, follows it, and keeps what it knew when it is gone', async () => {
    const link = linkOf([providerRegistered('a')])
    link.down = true
    await using roster = rosterOf(link)
    await eventually(() => link.asked.snapshot > 0)
    expect(roster.list()).toEqual([])
    link.down = false
    await eventually(() => roster.list().length === 1)
    link.log.append([providerRegistered('b')])
    await eventually(() => roster.list().length === 2)
    link.down = true
    const asked = link.asked.commits
    await eventually(() => link.asked.commits > asked)
    expect(roster.list().map(({ provider }) => provider)).toEqual(['a', 'b'])
  })

  test('ends while it waits', async () => {
    const link = linkOf([providerRegistered('a')])
    const roster = rosterOf(link)
    await eventually(() => roster.list().length === 1)
    link.hanging = true
    await roster[Symbol.asyncDispose]()
    expect(roster.list()).toHaveLength(1)
  })
})
