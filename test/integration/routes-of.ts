/**
 * Every route a server has, as the server itself lists them: what a test must not have to know.
 */
import type { FastifyInstance } from 'fastify'

export type ListedRoute = Readonly<{ path: string; methods: readonly string[] }>

/** Fastify prints a tree: `│   └── /cancel (POST)` stands below the line of its parent. */
const LINE = /^((?:│ {3}| {4})*)(?:├── |└── )(\S+)(?: \(([A-Z, ]+)\))?$/

export async function routesOf(server: FastifyInstance): Promise<readonly ListedRoute[]> {
  await server.ready()
  const above: string[] = []
  return server
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line): ListedRoute[] => {
      if (line.trim() === '') return []
      const [, indent = '', part = '', methods] = LINE.exec(line) ?? []
      if (part === '') throw new Error(`not understood: ${line}`)
      const depth = indent.length / 4
      const path = `${above[depth - 1] ?? ''}${part.startsWith('*') ? '/' : ''}${part}`
      above[depth] = path
      return methods === undefined ? [] : [{ path, methods: methods.split(', ') }]
    })
}
