/**
 * What differs among Anthropic's models.
 *
 * Pure data.
 */
import type { CapabilitySeed } from '../capability.ts'

export const seeds: readonly CapabilitySeed[] = []
