/**
 * Checks a source tree against the plan of the house.
 *
 * Pure: files in, violations out, so that a test can put a fault into a tree and see it found.
 */
import { posix } from 'node:path'
import { cycles } from './cycles.ts'
import {
  CLOCKS,
  FORBIDDEN_NAMES,
  HOMES,
  MAX_DEPTH,
  MAX_FILES_PER_FOLDER,
  MAX_LINES,
  PAGE,
  PLANES,
  PURE,
  PURE_NODE,
  SEES_ALL,
} from './rules.ts'
import { blank, headerOf, importsOf, type Import, type SourceFile } from './source.ts'

export type Violation = Readonly<{ rule: string; path: string; detail: string }>

type Plane = keyof typeof PLANES
/** An import with where it leads: a path of this tree, or a package. */
type Edge = Import & Readonly<{ from: string; to: string; kind: 'file' | 'package' | 'node' }>

export function checkArchitecture(files: readonly SourceFile[]): readonly Violation[] {
  const edges = files.flatMap(({ path, text }) => importsOf(text).map((found) => resolveImport(path, found)))
  const own = edges.filter(({ from }) => !isTest(from))
  return [
    ...files.flatMap(checkFile),
    ...checkFolders(files),
    ...edges.flatMap(checkPlane),
    ...own.flatMap(checkOrder),
    ...own.flatMap(checkHome),
    ...own.flatMap(checkPage),
    ...checkPurity(files, own),
    // Types are gone when the program runs: only what is loaded can be loaded in a circle.
    ...cycles(own.filter(({ kind, typeOnly }) => kind === 'file' && !typeOnly)).map((cycle) => ({
      rule: 'no cycles',
      path: cycle[0] ?? '',
      detail: cycle.join(' → '),
    })),
  ]
}

const isTest = (path: string): boolean => path.endsWith('.test.ts') || path.startsWith('test/')

const planeOf = (path: string): string => path.split('/')[0] ?? ''
const isPlane = (name: string): name is Plane => Object.hasOwn(PLANES, name)

function resolveImport(from: string, found: Import): Edge {
  const { target } = found
  if (target.startsWith('node:')) return { ...found, from, to: target, kind: 'node' }
  if (target.startsWith('.'))
    return { ...found, from, to: posix.join(posix.dirname(from), target), kind: 'file' }
  if (target.startsWith('#')) return { ...found, from, to: target.slice(1), kind: 'file' }
  const [scope = '', name = ''] = target.split('/')
  return { ...found, from, to: scope.startsWith('@') ? `${scope}/${name}` : scope, kind: 'package' }
}

/** Rules about one file and what it says. */
function checkFile({ path, text }: SourceFile): readonly Violation[] {
  const violations: Violation[] = []
  const found = (rule: string, detail: string): void => void violations.push({ rule, path, detail })
  const code = blank(text, { comments: false, strings: false })
  const lines = text.split('\n').length - 1
  const folders = posix.dirname(path).split('/')

  if (lines > MAX_LINES) found('files are short', `${lines} lines`)
  if (folders.length > MAX_DEPTH) found('folders are shallow', `${folders.length} deep`)
  for (const name of [...folders, posix.basename(path).replace(/(\.test)?\.ts$/, '')]) {
    if (FORBIDDEN_NAMES.includes(name)) found('names say something', name)
  }
  if (/\bexport\s+default\b/.test(code) && path !== 'test/vitest.config.ts')
    found('no default exports', 'export default')
  if (/\bexport\s+\*/.test(code) || isBarrel(code)) found('no barrels', 'only passes on what others export')
  // `AbortSignal.any` and `signals: any(…)` are names, not the type.
  const anyType = /(?<![.\w$])any\b(?!\s*[:(\w])|\bz\.any\(/.exec(code)
  if (anyType !== null)
    found('no any', code.slice(Math.max(0, anyType.index - 20), anyType.index + 10).trim())

  const plane = planeOf(path)
  if (isPlane(plane) && placeOf(plane, path) === null && !isTest(path))
    found('every place is on the plan', path)
  if (isPlane(plane) && !isTest(path)) {
    const clock = /\b(Date\.now|new Date\(\)|performance\.now|Math\.random)\b/.exec(code)
    if (clock !== null && !matchesAny(path, CLOCKS)) found('time and chance are arguments', clock[0])
  }
  return violations
}

/** A file of nothing but `export … from`. */
function isBarrel(code: string): boolean {
  const statements = code.split('\n').filter((line) => line.trim() !== '')
  return (
    statements.length > 0 &&
    statements.every((line) => /^\s*export\s+(type\s+)?\{[^}]*\}\s+from\b/.test(line))
  )
}

function checkFolders(files: readonly SourceFile[]): readonly Violation[] {
  const counts = new Map<string, number>()
  for (const { path } of files) {
    if (path.endsWith('.test.ts')) continue
    counts.set(posix.dirname(path), (counts.get(posix.dirname(path)) ?? 0) + 1)
  }
  return [...counts]
    .filter(([, count]) => count > MAX_FILES_PER_FOLDER)
    .map(([path, count]) => ({ rule: 'folders are small', path, detail: `${count} files` }))
}

/** Planes see themselves and contracts. */
function checkPlane({ from, to, kind, target }: Edge): readonly Violation[] {
  const plane = planeOf(from)
  if (kind !== 'file' || !isPlane(plane)) return []
  const other = planeOf(to)
  if (other !== plane && target.startsWith('.')) {
    return [{ rule: 'planes are named when crossed', path: from, detail: target }]
  }
  const mayCross = SEES_ALL.some((folder) => from.startsWith(folder)) && isPlane(other)
  const mayTest = from.endsWith('.test.ts') && (other === 'test' || plane !== 'contracts')
  if (other === plane || other === 'contracts' || mayCross || mayTest) return []
  return [{ rule: 'planes are apart', path: from, detail: `imports ${to}` }]
}

/** @returns the position of a file's place in its plane, or null when it has none. */
function placeOf(plane: Plane, path: string): number | null {
  const within = path.slice(plane.length + 1)
  const order: readonly string[] = PLANES[plane]
  const places = order.filter((place) => within === place || within.startsWith(`${place}/`))
  const longest = places.toSorted((a, b) => b.length - a.length)[0]
  return longest === undefined ? null : order.indexOf(longest)
}

/** Inside a plane imports point down the list. */
function checkOrder({ from, to, kind }: Edge): readonly Violation[] {
  const plane = planeOf(from)
  if (kind !== 'file' || !isPlane(plane) || planeOf(to) !== plane) return []
  const [here, there] = [placeOf(plane, from), placeOf(plane, to)]
  if (here === null || there === null || here <= there) return []
  return [{ rule: 'imports point down', path: from, detail: `imports ${to}` }]
}

/** Every package has a home. */
function checkHome({ from, to, kind, typeOnly }: Edge): readonly Violation[] {
  if (kind !== 'package' || typeOnly || !isPlane(planeOf(from))) return []
  const homes = HOMES[to]
  if (homes === undefined) return [{ rule: 'packages have a home', path: from, detail: `${to} has none` }]
  return matchesAny(from, homes) ? [] : [{ rule: 'packages have a home', path: from, detail: to }]
}

/** A browser finds no package and no `#name`; nothing that Node runs finds a document. */
function checkPage({ from, to, kind, typeOnly }: Edge): readonly Violation[] {
  const [isOf, leadsTo] = [from.startsWith(PAGE), kind === 'file' && to.startsWith(PAGE)]
  if (typeOnly || isOf === leadsTo) return []
  return [{ rule: 'the page stands alone', path: from, detail: `imports ${to}` }]
}

const IMPURE =
  /\b(async|await)\b|\b(process|performance|crypto|console)\s*\.|\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\b(setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\s*\(/

type Purity = 'pure' | 'in effect' | 'no'

const purityOf = ({ text }: SourceFile): Purity => {
  const claim = /^ \* Pure( in effect)?\b(?! but)/m.exec(headerOf(text))
  return claim === null ? 'no' : claim[1] === undefined ? 'pure' : 'in effect'
}

/** Who says to be pure is; who must be, says so. */
function checkPurity(files: readonly SourceFile[], edges: readonly Edge[]): readonly Violation[] {
  const purity = new Map(files.map((file) => [file.path, purityOf(file)]))
  const rule = 'pure is pure'
  return files.flatMap((file): Violation[] => {
    const { path, text } = file
    const claim = purityOf(file)
    if (isTest(path) || !isPlane(planeOf(path))) return []
    if (claim === 'no')
      return matchesAny(path, PURE) ? [{ rule, path, detail: 'its header does not say that it is' }] : []
    const impure = IMPURE.exec(blank(text, { comments: false, strings: false }))
    const world = edges.filter(({ from, kind, typeOnly, to }) => {
      if (from !== path || typeOnly) return false
      if (kind === 'node') return claim === 'pure' && !PURE_NODE.includes(to)
      return kind === 'file' && purity.get(to) === 'no'
    })
    return [
      ...(impure === null ? [] : [{ rule, path, detail: `says ${impure[0].trim()}` }]),
      ...world.map(({ to }) => ({ rule, path, detail: `imports ${to}` })),
    ]
  })
}

const patterns = new Map<string, RegExp>()

function matchesAny(path: string, globs: readonly string[]): boolean {
  return globs.some((glob) => {
    const known = patterns.get(glob) ?? new RegExp(`^${globSource(glob)}$`)
    patterns.set(glob, known)
    return known.test(path)
  })
}

/** `**` any path, `*` any part of a segment, `{a,b}` either. */
const globSource = (glob: string): string =>
  glob
    .replace(/[.+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{([^}]*)\}/g, (_match, names: string) => `(?:${names.replaceAll(',', '|')})`)
    .replaceAll('**/', '\u0001')
    .replaceAll('**', '\u0002')
    .replaceAll('*', '[^/]*')
    .replaceAll('\u0001', '(?:.*/)?')
    .replaceAll('\u0002', '.*')
