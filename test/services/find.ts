/**
 * Finds server programs on this machine, also where packages put them out of the way.
 */
import { constants } from 'node:fs'
import { access, readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** Not on every user's PATH, but where `nats-server` and others are installed. */
const MORE_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/local/bin', '/opt/homebrew/bin']

/** Folders with one folder per Postgres version below: Debian, Red Hat, Homebrew. */
const POSTGRES_HOMES = [
  { parent: '/usr/lib/postgresql', name: /^(\d+)$/ },
  { parent: '/usr', name: /^pgsql-(\d+)$/ },
  { parent: '/opt/homebrew/opt', name: /^postgresql@(\d+)$/ },
]
/** Oldest version the product promises to run on. */
const POSTGRES_FLOOR = 15

/** @returns the first of several programs that is there, as a path. */
export async function findProgram(
  names: readonly string[],
  path = process.env['PATH'] ?? '',
): Promise<string | null> {
  for (const name of names) {
    for (const folder of [...path.split(delimiter), ...MORE_FOLDERS]) {
      if (folder !== '' && (await isProgram(join(folder, name)))) return join(folder, name)
    }
  }
  return null
}

/**
 * @returns the folder of `initdb` and `postgres`: of several versions the oldest that we support, because
 *   what runs there runs on all.
 */
export async function findPostgresFolder(): Promise<string | null> {
  const found: { version: number; folder: string }[] = []
  for (const { parent, name } of POSTGRES_HOMES) {
    for (const entry of await readdir(parent).catch(() => [])) {
      const version = Number(name.exec(entry)?.[1] ?? 0)
      const folder = join(parent, entry, 'bin')
      if (version >= POSTGRES_FLOOR && (await isProgram(join(folder, 'initdb'))))
        found.push({ version, folder })
    }
  }
  found.sort((a, b) => a.version - b.version)
  if (found[0] !== undefined) return found[0].folder
  const initdb = await findProgram(['initdb'])
  return initdb === null ? null : join(initdb, '..')
}

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
