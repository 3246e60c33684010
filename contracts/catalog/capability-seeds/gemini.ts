/**
 * What differs among Gemini's models.
 *
 * Pure data.
 */
import type { CapabilitySeed } from '../capability.ts'

export const seeds: readonly CapabilitySeed[] = []
