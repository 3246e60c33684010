/**
 * Turns the schema of an input into one the command line can show as plain options, and the options back
 * into the input: `definition.baseUrl` is an option of its own, `--definition.base-url`.
 *
 * Pure.
 */

/** As much of JSON Schema as this needs. */
export type Schema = Readonly<Record<string, unknown>>

export type Flags = Readonly<{
  /** A flat object: its members' names are paths into the input. Nothing is required: that is checked later. */
  schema: Readonly<{ type: 'object'; properties: Readonly<Record<string, object>> }>
  /** Members whose value may stand in a file. */
  secrets: ReadonlySet<string>
  /** Texts that may be taken away: the word `null` means that, not itself. */
  nullable: ReadonlySet<string>
}>

export function flagsOf(input: Schema): Flags {
  const properties = new Map<string, object>()
  const secrets = new Set<string>()
  const nullable = new Set<string>()
  const visit = (schema: Schema, prefix: string, isRequired: boolean): void => {
    const required = schema['required']
    for (const [name, member] of membersOf(schema)) {
      const path = `${prefix}${name}`
      const isNeeded = isRequired && Array.isArray(required) && required.includes(name)
      if (membersOf(member).length > 0) {
        visit(member, `${path}.`, isNeeded)
        continue
      }
      const isNullable = isNullableText(member)
      properties.set(
        path,
        option(isNullable ? { ...member, type: 'string', anyOf: undefined } : member, isNeeded),
      )
      if (member['secret'] === true) secrets.add(path)
      if (isNullable) nullable.add(path)
    }
  }
  visit(input, '', true)
  return { schema: { type: 'object', properties: Object.fromEntries(properties) }, secrets, nullable }
}

/** The parser would want every value of such a member in JSON's quotes. */
function isNullableText({ anyOf }: Schema): boolean {
  if (!Array.isArray(anyOf) || anyOf.length !== 2) return false
  const types = anyOf.map((one: unknown) => (isRecord(one) ? one['type'] : undefined))
  return types.includes('string') && types.includes('null')
}

/** What the parser needs to read a value, and one sentence after the other for people. */
function option(member: Schema, isNeeded: boolean): object {
  const items = member['items']
  const value = member['default']
  const said = [
    ...(isNeeded ? ['Required.'] : []),
    ...(typeof member['description'] === 'string' ? [member['description']] : []),
    ...(isRecord(items) && membersOf(items).length > 0 ? [`As JSON: ${shapeOf(items)}.`] : []),
    ...rangeOf(member),
    ...(member['secret'] === true
      ? ['@file or - (standard input) keeps it out of the list of processes.']
      : []),
    // Said, never sent: an option that was not given is not there, and the default stays the server's.
    ...(value === undefined || value === null || (Array.isArray(value) && value.length === 0)
      ? []
      : [`Default: ${JSON.stringify(value)}.`]),
  ]
  return {
    ...pick(member, ['type', 'enum']),
    ...(Array.isArray(member['anyOf'])
      ? { anyOf: member['anyOf'].filter(isRecord).map((one) => pick(one, ['type', 'enum'])) }
      : {}),
    ...(isRecord(items) ? { items: membersOf(items).length > 0 ? {} : pick(items, ['type', 'enum']) } : {}),
    ...(said.length === 0 ? {} : { description: said.join(' ') }),
    optional: true,
  }
}

function rangeOf(member: Schema): readonly string[] {
  const { minimum, exclusiveMinimum, maximum, maxLength } = member
  if (typeof maxLength === 'number') return [`At most ${maxLength} characters.`]
  // The bounds of every whole number say nothing.
  if (typeof maximum !== 'number' || maximum === Number.MAX_SAFE_INTEGER) return []
  return [
    typeof exclusiveMinimum === 'number'
      ? `Above ${exclusiveMinimum}, at most ${maximum}.`
      : `${String(minimum)} to ${maximum}.`,
  ]
}

/** @returns `{"provider", "model", "weight"?}`. */
function shapeOf(schema: Schema): string {
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  return `{${membersOf(schema)
    .map(([name]) => `"${name}"${required.includes(name) ? '' : '?'}`)
    .join(', ')}}`
}

/** What is wrong with the options themselves: the parser takes one without a value for a switch. */
export function missingValues(
  options: Readonly<Record<string, unknown>>,
  { schema }: Flags,
): readonly Readonly<{ path: string; message: string }>[] {
  return Object.entries(options).flatMap(([path, value]) => {
    const member = schema.properties[path]
    const type = member !== undefined && 'type' in member ? member.type : undefined
    const isNumber = type === 'number' || type === 'integer'
    if (isNumber && typeof value !== 'number') return [{ path, message: 'wants a number' }]
    return type === 'string' && typeof value !== 'string' ? [{ path, message: 'wants a value' }] : []
  })
}

/** @returns the input that the given options describe. */
export function inputOf(
  options: Readonly<Record<string, unknown>>,
  { nullable }: Flags,
): Readonly<Record<string, unknown>> {
  const input: Record<string, unknown> = {}
  for (const [path, value] of Object.entries(options)) {
    if (value === undefined) continue
    const names = path.split('.')
    const last = names.pop() ?? path
    let place = input
    for (const name of names) place = partOf(place, name)
    place[last] = value === 'null' && nullable.has(path) ? null : value
  }
  return input
}

function partOf(place: Record<string, unknown>, name: string): Record<string, unknown> {
  const known = place[name]
  if (isRecord(known)) return known
  const made: Record<string, unknown> = {}
  place[name] = made
  return made
}

const membersOf = (schema: Schema): readonly (readonly [string, Schema])[] =>
  isRecord(schema['properties']) ? Object.entries(schema['properties']).filter(isSchemaEntry) : []

const pick = (schema: Schema, names: readonly string[]): Schema =>
  Object.fromEntries(names.flatMap((name) => (schema[name] === undefined ? [] : [[name, schema[name]]])))

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isSchemaEntry = (entry: [string, unknown]): entry is [string, Schema] => isRecord(entry[1])
