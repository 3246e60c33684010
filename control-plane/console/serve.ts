/**
 * The console's files, from memory: what is in `page/`, and nothing else.
 *
 * Read when the control plane starts, so that what is served is of one release. Types are stripped when a file
 * is first asked for: a control plane that nobody looks at does not pay for it.
 *
 * No token is needed for the files, and nothing secret is in them; all that the page shows it asks of the admin
 * API, with the token of whoever looks.
 */
import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { extname } from 'node:path'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

const FOLDER = new URL('page/', import.meta.url)

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
  ['.ts', 'text/javascript; charset=utf-8'],
])

/** The page may load what we serve, ask us, and nothing else; nobody may frame it. */
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  // Asked for anew each time, and answered with 304 while it is the same: a new release is there at once.
  'cache-control': 'no-cache',
} as const

export type ConsoleFile = Readonly<{
  /** Below the control plane's address: `/`, `/console/main.ts`. */
  path: string
  type: string
  body: () => Readonly<{ text: string; etag: string }>
}>

export function consoleFiles(): readonly ConsoleFile[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((name) => TYPES.has(extname(name)) && !name.endsWith('.test.ts'))
    .toSorted()
    .map((name): ConsoleFile => {
      const source = readFileSync(new URL(name, FOLDER), 'utf8')
      const path = name === 'index.html' ? '/' : `/console/${name.replaceAll('\\', '/')}`
      return { path, type: TYPES.get(extname(name)) ?? '', body: once(() => bodyOf(name, source)) }
    })
}

function bodyOf(name: string, source: string): Readonly<{ text: string; etag: string }> {
  const text = name.endsWith('.ts') ? withoutTypes(source) : source
  return { text, etag: `"${hash('sha256', text, 'base64url').slice(0, 27)}"` }
}

/**
 * Node says once that this is experimental, which is no news for whoever runs a gateway: the version is pinned,
 * and a test strips every file.
 */
function withoutTypes(source: string): string {
  const emit = process.emitWarning.bind(process)
  process.emitWarning = () => undefined
  try {
    return stripTypeScriptTypes(source)
  } finally {
    process.emitWarning = emit
  }
}

function once<Value>(make: () => Value): () => Value {
  let made: Readonly<{ value: Value }> | null = null
  return () => (made ??= { value: make() }).value
}

export function addConsoleRoutes(server: FastifyInstance): void {
  for (const file of consoleFiles())
    server.get(file.path, (request: FastifyRequest, reply: FastifyReply) => answer(file, request, reply))
}

function answer({ type, body }: ConsoleFile, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { text, etag } = body()
  void reply.headers({ ...HEADERS, etag })
  if (isKnown(request.headers['if-none-match'], etag)) return reply.code(304).send()
  return reply.type(type).send(text)
}

/** A proxy that compresses what we send marks our tag as a weak one. */
const isKnown = (known: string | undefined, etag: string): boolean =>
  known?.split(',').some((one) => one.trim().replace(/^W\//, '') === etag) === true
