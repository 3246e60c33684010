/**
 * Decides a command on the catalog as it stands: the events that follow, or why not.
 *
 * Pure. No events means that everything is already as wished; nothing is then written.
 */
import { FOLD_VERSION, type Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { SYSTEM_STREAM } from '#contracts/ids.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { streamOf, type Command } from './command.ts'
import { decideBudget } from './money/decide-budget.ts'
import { decideConfig } from './declared/decide-config.ts'
import { decideDeclaration } from './declared/decide-declaration.ts'
import { decideKey } from './decide-key.ts'
import { decideModel } from './decide-model.ts'
import { decideProvider } from './decide-provider.ts'
import { decideRevert } from './decide-revert.ts'
import { invalid, type Rejection } from './rejection.ts'

export type Decision = Result<readonly CatalogEvent[], Rejection>

export function decide(catalog: Catalog, command: Command): Decision {
  const obstacle = frozenBefore(catalog, command)
  if (obstacle !== null) return obstacle
  switch (command.type) {
    case 'CreateGenesis': {
      const { logId, keyCheck } = command
      if (catalog.genesis !== null) return ok([])
      return ok([{ type: 'GenesisCreated', stream: SYSTEM_STREAM, body: { logId, keyCheck } }])
    }
    case 'AdvanceEpoch':
      return decideEpoch(catalog, command)
    case 'RaiseFloor':
      return decideFloor(catalog, command)
    case 'ApplyDeclaration':
      return decideDeclaration(catalog, command.state)
    case 'ApplyConfig':
      return decideConfig(catalog, command)
    case 'RevertCommits':
      return decideRevert(catalog, command)
    case 'RegisterProvider':
    case 'UpdateProvider':
    case 'EnableProvider':
    case 'DisableProvider':
    case 'DrainProvider':
    case 'RemoveProvider':
    case 'AddCredential':
    case 'RotateCredential':
    case 'RevokeCredential':
      return decideProvider(catalog, command)
    case 'CreateModel':
    case 'SetTargets':
    case 'SetWeights':
    case 'SetStrategy':
    case 'SetRegion':
    case 'SetLimits':
    case 'AddAlias':
    case 'RemoveAlias':
    case 'RetireModel':
      return decideModel(catalog, command)
    case 'IssueKey':
    case 'RotateKey':
    case 'SetKeyExpiry':
    case 'SetKeyTerms':
    case 'SuspendKey':
    case 'ResumeKey':
    case 'RevokeKey':
      return decideKey(catalog, command)
    case 'CreateBudget':
    case 'SetBudgetTerms':
    case 'RemoveBudget':
      return decideBudget(catalog, command)
    default:
      return command satisfies never
  }
}

/** Its true state is not known here, and what we wrote would be ignored by the fold. */
function frozenBefore(catalog: Catalog, command: Command): Decision | null {
  const frozen = catalog.frozen.get(streamOf(command))
  if (frozen === undefined || command.type === 'ApplyDeclaration') return null
  return invalid(
    '',
    `commit ${frozen.commit} changed this with an event that this release cannot read (${frozen.type}); ` +
      'send the change to a control plane of the release that wrote it',
  )
}

function decideEpoch(
  { epoch }: Catalog,
  { expectedEpoch: expected }: Extract<Command, { type: 'AdvanceEpoch' }>,
): Decision {
  if (epoch !== expected) return err({ kind: 'conflict', what: 'the epoch', expected, current: epoch })
  return ok([{ type: 'EpochAdvanced', stream: SYSTEM_STREAM, body: { epoch: epoch + 1 } }])
}

/** Whoever is below the floor stays behind for good: nobody is left there unnamed, and we follow ourselves. */
function decideFloor(
  { floor }: Catalog,
  { minFold, blockers }: Extract<Command, { type: 'RaiseFloor' }>,
): Decision {
  if (minFold === floor) return ok([])
  if (minFold < floor) return invalid('minFold', `the floor is at fold version ${floor} and never goes down`)
  if (minFold > FOLD_VERSION)
    return invalid('minFold', `this control plane folds version ${FOLD_VERSION} and would stay behind itself`)
  if (blockers.length > 0)
    return err({ kind: 'in_use', what: `a fold version below ${minFold}`, by: blockers })
  return ok([{ type: 'SchemaFloorRaised', stream: SYSTEM_STREAM, body: { minFold } }])
}
