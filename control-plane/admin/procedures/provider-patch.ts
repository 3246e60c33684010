/**
 * A change to parts of a provider's definition.
 *
 * Pure.
 */
import { ProviderDefinition } from '#contracts/catalog/provider.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { merged, type ProviderPatch } from '../../commands/declared/patch.ts'
import type { Issue } from '../../commands/rejection.ts'
import { issuesOf } from '../issues.ts'

/** @returns the whole definition after the patch, or each problem with its path in the input. */
export function patched(
  present: Readonly<ProviderDefinition>,
  patch: ProviderPatch,
): Result<ProviderDefinition, readonly Issue[]> {
  const parsed = ProviderDefinition.safeParse(merged(present, patch))
  return parsed.success ? ok(parsed.data) : err(issuesOf(parsed.error, 'definition'))
}
