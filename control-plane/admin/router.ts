/**
 * The admin API: everything that can be asked and changed, by noun. The client and the command line are
 * made from its type and its schemas.
 */
import { audit } from './procedures/audit.ts'
import { config } from './procedures/config.ts'
import { fleet } from './procedures/fleet.ts'
import { keys } from './procedures/keys.ts'
import { models } from './procedures/models.ts'
import { providers } from './procedures/providers.ts'
import { system } from './procedures/system.ts'
import { weights } from './procedures/weights.ts'
import { requests, usage } from './reports/usage.ts'
import { budgets } from './spending/budgets.ts'
import { router } from './trpc.ts'

export const adminRouter = router({
  providers,
  models,
  keys,
  budgets,
  fleet,
  weights,
  audit,
  config,
  usage,
  requests,
  system,
})
export type AdminRouter = typeof adminRouter
