/**
 * Answers for people: facts as lines, lists as tables.
 *
 * Pure.
 */

/** Members of a list worth a column, by procedure; others show everything that is not nested. */
const COLUMNS: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'providers.list',
    [
      'id',
      'state',
      'definition.kind',
      'definition.baseUrl',
      'definition.routing.weight',
      'credentials',
      'version',
      'origin',
    ],
  ],
  ['models.list', ['name', 'aliases', 'targets', 'version', 'origin']],
  ['keys.list', ['id', 'name', 'prefix', 'state', 'expiresAt', 'version', 'origin']],
  ['fleet.list', ['report.node', 'state', 'report.served', 'lag', 'report.link', 'lastSeen']],
  ['fleet.wait', ['report.node', 'state', 'report.served', 'lag', 'lastSeen']],
  ['audit.list', ['commitNo', 'at', 'actor', 'command', 'words', 'reason']],
  ['audit.diff', ['entity', 'change', 'words']],
  ['config.plan', ['entity', 'change', 'words']],
  ['audit.revert', ['entity', 'change', 'words']],
  ['audit.replay', ['node', 'verdict', 'digest', 'seenAt']],
])

/** Numbers of these names are epoch milliseconds. */
const TIMES: ReadonlySet<string> = new Set(['at', 'lastSeen', 'expiresAt', 'previousUntil', 'seenAt'])

/** @returns the answer as text, ending in a newline. */
export function render(procedure: string, answer: unknown): string {
  if (!isRecord(answer)) return `${cell('', answer)}\n`
  const facts: string[] = []
  const tables: string[] = []
  for (const [path, value] of leaves(answer)) {
    if (isTable(value)) tables.push(`${path}:\n${table(value, COLUMNS.get(procedure))}`)
    else facts.push(`${path}: ${cell(path, value)}`)
  }
  return `${[...tables, facts.join('\n')].filter((part) => part !== '').join('\n\n')}\n`
}

/** @returns a line for each node that `fleet.watch` tells of, each ending in a newline. */
export function renderWatched(answer: unknown): string {
  if (!isRecord(answer)) return ''
  const at = cell('at', answer['at'])
  const nodes = isTable(answer['nodes']) ? answer['nodes'] : []
  const gone = Array.isArray(answer['gone']) ? answer['gone'] : []
  const told = nodes.map((node) => {
    const [name, state, served] = ['report.node', 'state', 'report.served'].map((path) =>
      cell(path, memberAt(node, path)),
    )
    return `${at}  ${name}  ${state}  serves commit ${served} of ${cell('', answer['head'])}\n`
  })
  return [...told, ...gone.map((name) => `${at}  ${cell('', name)}  is gone\n`)].join('')
}

/** Members of nested objects under their paths. */
function* leaves(
  value: Readonly<Record<string, unknown>>,
  prefix = '',
): Generator<readonly [string, unknown]> {
  for (const [name, member] of Object.entries(value)) {
    const path = `${prefix}${name}`
    if (isRecord(member) && Object.keys(member).length > 0) yield* leaves(member, `${path}.`)
    else if (member !== undefined) yield [path, member]
  }
}

function table(
  rows: readonly Readonly<Record<string, unknown>>[],
  columns: readonly string[] | undefined,
): string {
  const shown = columns ?? [...new Set(rows.flatMap((row) => [...leaves(row)].map(([path]) => path)))]
  const titles = shown.map((path) => path.split('.').at(-1) ?? path)
  const lines = [titles, ...rows.map((row) => shown.map((path) => cell(path, memberAt(row, path))))]
  return aligned(lines).join('\n')
}

/** @returns a line for the titles and one for each row, their cells below each other. */
export const columns = (titles: readonly string[], rows: readonly (readonly string[])[]): readonly string[] =>
  rows.length === 0 ? [] : aligned([titles, ...rows])

function aligned(lines: readonly (readonly string[])[]): readonly string[] {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  return lines.map((line) =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function memberAt(row: Readonly<Record<string, unknown>>, path: string): unknown {
  let value: unknown = row
  for (const name of path.split('.')) value = isRecord(value) ? value[name] : undefined
  return value
}

function cell(path: string, value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (Array.isArray(value))
    return value.length === 0 ? '-' : value.map((member) => cell('', member)).join(', ')
  if (isRecord(value)) return brief(value)
  if (typeof value === 'number' && TIMES.has(path.split('.').at(-1) ?? '')) return time(value)
  // What others chose must not be able to steer the terminal.
  return (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(/\p{Cc}/gu, '�')
}

/** One nested object, by what names it. */
function brief(value: Readonly<Record<string, unknown>>): string {
  if ('provider' in value && 'model' in value && 'weight' in value) {
    return cell(
      '',
      `${String(value['provider'])}/${String(value['model'])} ×${String(value['weight'])}${tierOf(value['tier'])}`,
    )
  }
  if ('kind' in value && 'id' in value) return cell('', `${String(value['kind'])}:${String(value['id'])}`)
  if ('type' in value && 'stream' in value)
    return cell('', `${String(value['type'])} ${String(value['stream'])}`)
  const named = value['label'] ?? value['id'] ?? value['name']
  return named === undefined ? cell('', JSON.stringify(value)) : cell('', named)
}

const tierOf = (tier: unknown): string => (typeof tier === 'number' && tier !== 0 ? ` tier ${tier}` : '')

/** Years beyond what a date can show stay numbers. */
const time = (epochMs: number): string =>
  Math.abs(epochMs) <= 8.64e15 ? new Date(epochMs).toISOString() : String(epochMs)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isTable = (value: unknown): value is readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) && value.length > 0 && value.every(isRecord)
