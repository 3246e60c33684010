/**
 * Which release this is, for reports and `--version`.
 */
import { readFileSync } from 'node:fs'

/** `version` of package.json. */
export const BUILD: string = readVersion()

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown'
}
