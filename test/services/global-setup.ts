/**
 * One Postgres, one NATS and one Redis for a whole run, each started when the first test asks for it.
 *
 * Test files run in processes of their own and ask over loopback HTTP: `GET /nats` answers with an address.
 * A run of unit tests asks for nothing and starts nothing.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { acquire, type Acquired } from './acquire.ts'
import type { ServiceName } from './programs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where test files ask for shared servers. */
    serviceDesk: string
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const services = new Map<ServiceName, Promise<Acquired>>()
  const desk = createServer((request, response) => {
    const name = request.url?.slice(1)
    if (name !== 'postgres' && name !== 'nats' && name !== 'redis') return response.writeHead(404).end()
    const service = services.get(name) ?? acquire(name)
    services.set(name, service)
    service.then(
      ({ url }) => response.end(url),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    )
    return response
  })
  await new Promise<void>((resolve) => desk.listen(0, '127.0.0.1', resolve))
  const { port } = desk.address() as AddressInfo
  project.provide('serviceDesk', `http://127.0.0.1:${port}`)

  return async () => {
    desk.close()
    desk.closeAllConnections()
    await Promise.allSettled([...services.values()].map(async (service) => (await service).stop()))
  }
}
