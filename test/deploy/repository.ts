/**
 * The repository's files, for tests of how it is shipped.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'

const root = new URL('../../', import.meta.url).pathname

/** @param path from the top of the repository. */
export const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8')

export const isThere = (path: string): boolean => existsSync(`${root}${path}`)

export const absolute = (path: string): string => `${root}${path}`

/** Every file with its path, except below the folders named. */
export function filesExcept(folders: readonly string[]): readonly string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter(({ name }) => !folders.includes(name))
    .flatMap((entry) =>
      entry.isDirectory()
        ? readdirSync(`${root}${entry.name}`, { recursive: true, withFileTypes: true })
            .filter((below) => below.isFile())
            .map((below) => `${below.parentPath}/${below.name}`.slice(root.length))
        : [entry.name],
    )
}

/** Main file of each command of `bin/apiproxy.js` that starts a process. */
export const MAINS: ReadonlyMap<string, string> = new Map(
  [...read('bin/apiproxy.js').matchAll(/'?([a-z-]+)'?: '([a-z-]+(?:\/[a-z-]+)*\/main\.ts)'/g)].map(
    ([, command = '', main = '']) => [command, main],
  ),
)
