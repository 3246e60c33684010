import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { decodeNodeReport, type NodeReport } from '#contracts/fleet/report.ts'
import { secretId } from '#contracts/ids.ts'
import { Secret } from '#contracts/security/secret.ts'
import { ControlUnavailable, HttpControlLink } from './control-http.ts'

const servers: Server[] = []
const links: HttpControlLink[] = []
afterEach(async () => {
  for (const link of links.splice(0)) await link[Symbol.asyncDispose]()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** A control plane that answers as told. @returns its base URL. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function linkTo(url: string, mostBytes?: number): HttpControlLink {
  const limit = mostBytes === undefined ? {} : { mostBytes }
  const link = new HttpControlLink({ url, token: new Secret('node-token'), ...limit })
  links.push(link)
  return link
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

const soon = (): AbortSignal => AbortSignal.timeout(5_000)
const report: NodeReport = {
  v: 1,
  node: 'node_1',
  boot: 'b',
  build: 'x',
  foldVersion: 1,
  epoch: 1,
  received: 1,
  applied: 1,
  persisted: 1,
  served: 1,
  digest: '0'.repeat(64),
  link: 'http',
  nacks: [],
  accepting: true,
}

describe('the control link over HTTP', () => {
  test('asks with the token of the node, below the path of its base URL', async () => {
    const seen: string[] = []
    const base = await serve((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`)
      response.end('the snapshot')
    })
    expect(await linkTo(`${base}/control/`).snapshot(soon())).toBe('the snapshot')
    expect(seen).toEqual(['GET /control/snapshot Bearer node-token'])
  })

  test('brings commits, secrets and reports', async () => {
    const seen: string[] = []
    const answers = [
      ['/commits', '{"commits":["one","two"]}'],
      ['/secrets', '{"secrets":{"s1":"v1.x"}}'],
    ] as const
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      seen.push(`${request.method} ${request.url} ${await bodyOf(request)}`)
      response.end(answers.find(([path]) => request.url?.startsWith(path))?.[1])
    }
    const base = await serve((request, response) => void answer(request, response))
    const link = linkTo(base)
    expect(await link.commits(7, 250, soon())).toEqual(['one', 'two'])
    expect(await link.secrets([secretId('s1'), secretId('s2')], soon())).toEqual(new Map([['s1', 'v1.x']]))
    await link.report(report, soon())
    expect(seen.slice(0, 2)).toEqual(['GET /commits?after=7&wait=250 ', 'POST /secrets {"ids":["s1","s2"]}'])
    expect(decodeNodeReport(seen[2]?.replace('POST /report ', '') ?? '')).toEqual({ ok: true, value: report })
  })

  test('tries the next control plane, and begins with it the next time', async () => {
    let asked = 0
    const broken = await serve((_request, response) => {
      asked += 1
      response.writeHead(503).end('down')
    })
    const sound = await serve((_request, response) => response.end('the snapshot'))
    const link = linkTo(`http://127.0.0.1:1, ${broken} ,${sound}`)
    expect(await link.snapshot(soon())).toBe('the snapshot')
    expect(await link.snapshot(soon())).toBe('the snapshot')
    expect(asked).toBe(1)
  })

  test('begins with another one after a time-out, so that a black hole does not cost every question', async () => {
    const hole = await serve(() => undefined)
    const sound = await serve((_request, response) => response.end('the snapshot'))
    const link = linkTo(`${hole},${sound}`)
    await expect(link.snapshot(AbortSignal.timeout(100))).rejects.toThrow(ControlUnavailable)
    expect(await link.snapshot(AbortSignal.timeout(1_000))).toBe('the snapshot')
  })

  test('says what each control plane did, and that a refused token points at the master key', async () => {
    const refusing = await serve((_request, response) => response.writeHead(401).end())
    const garbled = await serve((_request, response) => response.end('{"commits":"none"}'))
    const asked = linkTo(`http://127.0.0.1:1,${refusing},${garbled}`).commits(0, 0, soon())
    const message = await asked.then(String, (error: Error) => error.message)
    expect(message).toContain('http://127.0.0.1:1/commits: connect ECONNREFUSED')
    expect(message).toContain(
      `${refusing}/commits: refused this node's token (401): is the master key the same`,
    )
    expect(message).toContain(`${garbled}/commits: `)
    expect(message).not.toContain('node-token')
  })

  test('refuses an answer that is too large instead of holding it', async () => {
    const base = await serve((_request, response) => response.end('x'.repeat(200_000)))
    await expect(linkTo(base, 100_000).snapshot(soon())).rejects.toThrow(/size/i)
    expect(await linkTo(base, 300_000).snapshot(soon())).toHaveLength(200_000)
  })

  test('ends a question when its signal says so', async () => {
    const hole = await serve(() => undefined)
    const controller = new AbortController()
    const asked = linkTo(hole).commits(0, 20_000, controller.signal)
    setTimeout(() => controller.abort(), 20)
    await expect(asked).rejects.toThrow(ControlUnavailable)
  })
})
