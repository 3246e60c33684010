/**
 * The compose file as data, read strictly: a key that is not listed here is a slip of the pen, or not yet
 * understood by the tests.
 */
import { parse } from 'yaml'
import { z } from 'zod'
import { read } from './repository.ts'

const Condition = z.enum(['service_healthy', 'service_completed_successfully'])
const list = z.array(z.string())
const oneOrMore = z.union([z.string().transform((one) => [one]), list])

const Service = z.strictObject({
  image: z.string(),
  build: z.literal('.').optional(),
  restart: z.enum(['unless-stopped', 'no']),
  entrypoint: list.optional(),
  command: list.default([]),
  environment: z.record(z.string(), z.string().nullable()).default({}),
  env_file: z.array(z.strictObject({ path: z.string(), required: z.literal(false) })).default([]),
  volumes: list.default([]),
  tmpfs: oneOrMore.default([]),
  networks: list.default(['default']),
  network_mode: z.literal('none').optional(),
  extra_hosts: list.default([]),
  ports: list.default([]),
  configs: z.array(z.strictObject({ source: z.string(), target: z.string(), mode: z.int() })).default([]),
  depends_on: z.record(z.string(), z.strictObject({ condition: Condition })).default({}),
  healthcheck: z
    .strictObject({
      test: z.tuple([z.literal('CMD')], z.string()),
      interval: z.string(),
      timeout: z.string(),
      retries: z.int(),
      start_period: z.string(),
      start_interval: z.string(),
    })
    .optional(),
  stop_grace_period: z.string().optional(),
  user: z.string().optional(),
  read_only: z.boolean().default(false),
  cap_drop: list.default([]),
  security_opt: list,
  logging: z.strictObject({ driver: z.literal('local') }),
})
export type Service = Readonly<z.infer<typeof Service>>

const Named = z.record(z.string(), z.strictObject({ internal: z.boolean().optional() }).nullable())

const ComposeFile = z.object({
  name: z.string(),
  services: z.record(z.string(), Service),
  networks: Named,
  volumes: Named,
  configs: z.record(z.string(), z.strictObject({ content: z.string() })),
})
export type ComposeFile = Readonly<z.infer<typeof ComposeFile>> &
  Readonly<{
    /** Variables that whoever starts it may set, and what they are when nobody does. */
    defaults: ReadonlyMap<string, string>
  }>

/** What Compose fills in: nothing else of that kind is to be in the file. */
const DEFAULTED = /(?<!\$)\$\{([A-Z_]+):-([^}]*)\}/g

/** As Compose reads it: YAML 1.1, whose numbers may be octal, with merge keys and `$$` for `$`. */
export function readCompose(): ComposeFile {
  const text = read('docker-compose.yml')
  const defaults = new Map([...text.matchAll(DEFAULTED)].map(([, name = '', value = '']) => [name, value]))
  const filled = text.replaceAll(DEFAULTED, (_, _name: string, value: string) => value)
  const file = ComposeFile.parse(parse(filled.replaceAll('$$', '$'), { version: '1.1', merge: true }))
  const unescaped = filled
    .split('\n')
    .find((line) => !line.startsWith('#') && /(?<!\$)\$(?!\$)/.test(line.replaceAll('$$', '')))
  if (unescaped !== undefined) throw new Error(`Compose would fill this in: ${unescaped}`)
  return { ...file, defaults }
}

/** Volume, place and whether it can be written to. */
export function mountsOf({
  volumes,
}: Service): readonly Readonly<{ volume: string; path: string; writable: boolean }>[] {
  return volumes.map((text) => {
    const [volume = '', path = '', mode] = text.split(':')
    return { volume, path, writable: mode !== 'ro' }
  })
}

/** The processes of this repository: service → command of `bin/apiproxy.js`. */
export function processesOf({ services }: ComposeFile): ReadonlyMap<string, string> {
  const own = Object.entries(services).filter(
    ([, { build, entrypoint }]) => build !== undefined && entrypoint === undefined,
  )
  return new Map(own.map(([name, { command }]) => [name, command.join(' ')]))
}

/** A server's number of each `name number;` in nginx's or NATS's configuration. */
export function setting(text: string, name: string): string {
  const found = new RegExp(`^\\s*${name}:? ([^;\\n]+);?$`, 'm').exec(text)?.[1]
  if (found === undefined) throw new Error(`${name} is not set`)
  return found
}
