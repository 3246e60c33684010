/**
 * Opens the log for work: the schema, the whole past, the first commit, and what was declared.
 */
import { randomUUID } from 'node:crypto'
import type { Kysely } from 'kysely'
import { canonical } from '#contracts/canonical.ts'
import type { ClientKey } from '#contracts/catalog/client-key.ts'
import { sha256Hex } from '#contracts/commit/hash.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { MasterKey } from '#contracts/security/master-key.ts'
import type { Ledger, Request } from '../commands/ledger.ts'
import type { DeclaredState } from '../commands/command.ts'
import { keyOfText } from '../commands/decide-key.ts'
import { describeRejection } from '../commands/rejection.ts'
import { EventLog } from '../store/event-log.ts'
import { migrate } from '../store/migrate.ts'
import type { Database } from '../store/schema.ts'
import type { Declaration } from './declaration.ts'
import { prepareDeclaration, withPastTexts } from './prepare.ts'

export type OpeningPorts = Readonly<{
  database: Kysely<Database>
  ledger: Ledger
  masterKey: MasterKey
  logger: Logger
}>

/** The process cannot work with what it found, and waiting would not help. */
export class CannotOpen extends Error {
  override readonly name = 'CannotOpen'
}

/** Rejects with `CannotOpen`, or with the database's error when it cannot be reached: then try again. */
export async function openLog(ports: OpeningPorts, applyMigrations: boolean): Promise<void> {
  const { database, ledger, masterKey, logger } = ports
  const migrated = await migrate(database, applyMigrations)
  if (!migrated.ok) throw new CannotOpen(migrated.error)
  if (migrated.value.length > 0)
    logger.info({ migrations: migrated.value }, 'database schema brought up to date')
  await ledger.catchUp()
  if (ledger.catalog.genesis === null) {
    const command = { type: 'CreateGenesis', logId: randomUUID(), keyCheck: masterKey.check } as const
    await ledger.execute(asSystem(command))
  }
  if (ledger.catalog.genesis?.keyCheck !== masterKey.check) {
    throw new CannotOpen(
      'APIPROXY_MASTER_KEY is not the key this log was made with: secrets and client keys could not be read',
    )
  }
}

/** Makes the declared state so. An unchanged declaration writes nothing. */
export async function applyDeclaration(ports: OpeningPorts, declaration: Declaration): Promise<void> {
  const { database, ledger, masterKey, logger } = ports
  const { state: said, secrets } = prepareDeclaration(declaration, masterKey)
  const state = await withPastTexts(said, new EventLog(database))
  const result = await ledger.execute({
    ...asSystem({ type: 'ApplyDeclaration', state }),
    actor: ENV,
    secrets,
  })
  if (!result.ok)
    throw new CannotOpen(`the declared configuration is refused: ${describeRejection(result.error)}`)
  if (result.value.events.length > 0) {
    logger.info(
      { commit: result.value.commitNo, events: result.value.events },
      'declared configuration applied',
    )
  }
  warnOfIgnored(ports, state)
}

/** What was declared and is not so: the API's own entities, revoked keys and rotated texts are never overruled. */
function warnOfIgnored({ ledger, logger }: OpeningPorts, state: DeclaredState): void {
  const { providers, models, budgets } = ledger.catalog
  for (const { id } of state.providers) {
    if (providers.get(id)?.origin === 'api') {
      logger.warn(
        { provider: id },
        'a provider of this name was made through the API; the declared one is ignored',
      )
    }
  }
  for (const { name } of state.models) {
    if (models.get(name)?.origin === 'api')
      logger.warn(
        { model: name },
        'a model of this name was made through the API; the declared one is ignored',
      )
  }
  for (const { id } of state.budgets) {
    if (budgets.get(id)?.origin === 'api')
      logger.warn(
        { budget: id },
        'a budget of this name was made through the API; the declared one is ignored',
      )
  }
  for (const wanted of state.keys) {
    const known = keyOfText(ledger.catalog, wanted)
    const why = known === undefined ? undefined : whyKeyIsIgnored(known, wanted)
    if (why !== undefined) logger.warn({ key: known?.id, name: wanted.name }, why)
  }
}

function whyKeyIsIgnored(
  { state, digest, origin }: ClientKey,
  wanted: DeclaredState['keys'][number],
): string | undefined {
  if (state === 'revoked') return 'a declared key was revoked, which is final; declare another'
  if (digest !== wanted.digest)
    return 'the text of a declared key was rotated away and opens nothing; declare the present one'
  if (origin === 'api') return 'a key of this text was made through the API; the declared one is ignored'
  return undefined
}

const ENV = { kind: 'env', id: 'environment' }

function asSystem(command: Request['command']): Request {
  const commandId = randomUUID()
  const requestHash = sha256Hex(canonical({ commandId }))
  return {
    command,
    commandId,
    requestHash,
    actor: { kind: 'system', id: 'start' },
    reason: null,
    secrets: [],
    ids: {},
    dryRun: false,
  }
}
