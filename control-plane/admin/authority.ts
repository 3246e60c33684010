/**
 * What each procedure may do to the configuration. Roles will be sets of these; a procedure that is missing
 * here is refused to everybody.
 *
 * Pure.
 */
export type Authority = 'read' | 'write'

export const AUTHORITY: ReadonlyMap<string, Authority> = new Map<string, Authority>([
  ['providers.list', 'read'],
  ['providers.get', 'read'],
  ['providers.models', 'read'],
  // Sends a credential to its provider, so not for those who may only look.
  ['providers.test', 'write'],
  ['providers.register', 'write'],
  ['providers.update', 'write'],
  ['providers.enable', 'write'],
  ['providers.disable', 'write'],
  ['providers.drain', 'write'],
  ['providers.remove', 'write'],
  ['providers.credentials.add', 'write'],
  ['providers.credentials.rotate', 'write'],
  ['providers.credentials.revoke', 'write'],
  ['models.list', 'read'],
  ['models.get', 'read'],
  ['models.resolve', 'read'],
  ['models.create', 'write'],
  ['models.setTargets', 'write'],
  ['models.setWeights', 'write'],
  ['models.setStrategy', 'write'],
  ['models.setRegion', 'write'],
  ['models.addAlias', 'write'],
  ['models.removeAlias', 'write'],
  ['models.retire', 'write'],
  ['keys.list', 'read'],
  ['keys.get', 'read'],
  ['keys.issue', 'write'],
  ['keys.rotate', 'write'],
  ['keys.setExpiry', 'write'],
  ['keys.suspend', 'write'],
  ['keys.resume', 'write'],
  ['keys.revoke', 'write'],
  ['fleet.list', 'read'],
  ['fleet.wait', 'read'],
  ['weights.current', 'read'],
  ['weights.why', 'read'],
  ['audit.list', 'read'],
  ['audit.diff', 'read'],
  ['audit.stateAt', 'read'],
  ['audit.replay', 'read'],
  ['audit.verify', 'read'],
  ['audit.revert', 'write'],
  ['audit.checkpoints', 'read'],
  ['audit.export', 'read'],
  ['audit.calls', 'read'],
  ['system.status', 'read'],
  ['system.advanceEpoch', 'write'],
])
