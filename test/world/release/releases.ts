/**
 * Loads the product more than once: as it is, as another release, and with a bug planted in it.
 *
 * A release is a set of changes to the source, made while it is loaded; its modules are its own. A change whose
 * text is not in the source exactly once is an error, so that none silently stops to change anything.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type * as control from './control.ts'
import { QUICK } from './memory.ts'
import type * as node from './node.ts'
import type * as oracle from './oracle.ts'
import type * as prober from './prober.ts'

/** Replaces `find`, which must be there exactly once, in one file of the product. */
export type Change = Readonly<{ file: string; find: string; put: string }>

/** The product's modules as processes run them. */
export type Release = Readonly<{
  name: string
  node: Pick<typeof node, 'startNode'>
  control: Pick<typeof control, 'startControl'>
  prober: Pick<typeof prober, 'startWorldProber'>
}>
export type Oracle = Pick<typeof oracle, 'see' | 'digestOf' | 'foldVersion'>

const ROOT = resolve(import.meta.dirname, '../../..')
const PRODUCT = /^(contracts|control-plane|data-plane|prober)\//
/** Files of the world that belong to a release. */
const OF_A_RELEASE = new Set(
  ['node', 'control', 'prober', 'oracle'].map((name) => `test/world/release/${name}.ts`),
)

const releases = new Map<string, readonly Change[]>()
let isHooked = false

/** @returns the processes of the product with these changes; `name` tells it from others. */
export async function loadRelease(name: string, changes: readonly Change[]): Promise<Release> {
  const load = <Module>(file: string): Promise<Module> => loadInto(name, changes, file)
  const [node, control, prober] = await Promise.all([
    load<Release['node']>('node'),
    load<Release['control']>('control'),
    load<Release['prober']>('prober'),
  ])
  return { name, node, control, prober }
}

export const loadOracle = (name: string, changes: readonly Change[]): Promise<Oracle> =>
  loadInto(name, changes, 'oracle')

/** @returns the changes whose text is not in its file exactly once. */
export function misplaced(changes: readonly Change[]): readonly Change[] {
  return changes.filter(
    ({ file, find }) => readFileSync(resolve(ROOT, file), 'utf8').split(find).length !== 2,
  )
}

async function loadInto<Module>(name: string, changes: readonly Change[], file: string): Promise<Module> {
  if (!isHooked) hook()
  releases.set(name, [...QUICK, ...changes])
  const url = pathToFileURL(resolve(import.meta.dirname, `${file}.ts`))
  url.searchParams.set('release', name)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the very file the type is of
  return (await import(url.href)) as Module
}

function hook(): void {
  isHooked = true
  registerHooks({
    resolve: (specifier, context, next) => {
      const resolved = next(specifier, context)
      const release = releaseOf(context.parentURL)
      if (release === null || !resolved.url.startsWith('file:') || releaseOf(resolved.url) !== null)
        return resolved
      const path = pathOf(resolved.url)
      if (!PRODUCT.test(path) && !OF_A_RELEASE.has(path)) return resolved
      return { ...resolved, url: `${resolved.url}?release=${encodeURIComponent(release)}` }
    },
    load: (url, context, next) => {
      const loaded = next(url, context)
      const release = releaseOf(url)
      if (release === null) return loaded
      const path = pathOf(url)
      const changes = (releases.get(release) ?? []).filter(({ file }) => file === path)
      return changes.length === 0 ? loaded : { ...loaded, source: changed(textOf(loaded.source), changes) }
    },
  })
}

const textOf = (source: unknown): string =>
  typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString()

function changed(source: string, changes: readonly Change[]): string {
  return changes.reduce((text, { file, find, put }) => {
    if (text.split(find).length !== 2) throw new Error(`${file} does not hold this exactly once: ${find}`)
    return text.replace(find, () => put)
  }, source)
}

const releaseOf = (url: string | undefined): string | null =>
  url === undefined || !url.includes('?release=') ? null : new URL(url).searchParams.get('release')

const pathOf = (url: string): string => relative(ROOT, fileURLToPath(url.split('?')[0] ?? url))
