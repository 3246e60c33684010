import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FleetChange } from '#control-plane/nodes/watch.ts'
import {
  ADMIN_TOKEN,
  listenAdmin,
  openAdminPlane,
  type AdminPlane,
  type Listener,
} from '#test/control-plane/admin-plane.ts'
import { runCommand } from '#test/control-plane/command-line.ts'
import { nodeReport } from '#test/control-plane/node-report.ts'
import { eventually } from '#test/eventually.ts'
import { createAdminClient, failureOf, type AdminClient } from './client.ts'

let plane: AdminPlane
let listener: Listener
let client: AdminClient
beforeAll(async () => {
  plane = await openAdminPlane()
  listener = await listenAdmin(plane.ports)
  client = createAdminClient({ url: listener.url, token: ADMIN_TOKEN })
})
afterAll(() => plane[Symbol.asyncDispose]())

function watch(by: AdminClient, changes?: number) {
  const seen: FleetChange[] = []
  const ends: string[] = []
  const subscription = by.fleet.watch.subscribe(
    { changes },
    {
      onData: (change) => void seen.push(change),
      onError: (error) => void ends.push(failureOf(error).message),
      onComplete: () => void ends.push('complete'),
    },
  )
  return { seen, ends, subscription }
}

const report = (node: string, served: number): void =>
  plane.ports.fleet.onReport(nodeReport(node, { served }))

describe('a fleet that is watched', () => {
  test('is told whole, and then node by node as they move', async () => {
    report('n1', 0)
    const { seen, ends, subscription } = watch(client)
    await eventually(() => seen.length === 1)
    expect(seen[0]).toMatchObject({ head: 1, nodes: [{ report: { node: 'n1' } }], gone: [] })
    report('n1', 0)
    report('n2', 1)
    await eventually(() => seen.length >= 2)
    expect(seen[1]?.nodes.map((node) => node.report.node)).toEqual(['n2'])
    subscription.unsubscribe()
    await eventually(() => plane.ports.fleet.watchers === 0)
    expect(ends).toEqual([])
  })

  test('tells a slow reader what is so now, and not what came in between', async () => {
    const { seen, subscription } = watch(client)
    await eventually(() => seen.length === 1)
    for (let served = 0; served <= 1_000; served++) report('n3', served % 2)
    await eventually(() => seen.some(({ nodes }) => nodes.some((node) => node.report.node === 'n3')))
    expect(seen.length).toBeLessThan(10)
    subscription.unsubscribe()
  })

  test('is told so many times as were asked for, and the call is on record', async () => {
    const { seen, ends } = watch(client, 1)
    await eventually(() => ends.length === 1)
    expect([seen.length, ends]).toEqual([1, ['complete']])
    const { calls } = await plane.api.audit.calls()
    expect(calls.filter(({ procedure }) => procedure === 'fleet.watch')[0]).toMatchObject({ outcome: 'ok' })
  })

  test('is lines on the command line', async () => {
    const watched = await runCommand(null, ['fleet', 'watch', '--changes', '1', '--url', listener.url], {
      env: { APIPROXY_ADMIN_TOKEN: ADMIN_TOKEN },
    })
    expect(watched).toMatchObject({ status: 0, error: '' })
    expect(watched.out).toMatch(/^\S+Z {2}n1 {2}\w+ {2}serves commit 0 of 1\n/)
  })

  test('is shown to nobody without the token', async () => {
    const { seen, ends } = watch(createAdminClient({ url: listener.url, token: 'x'.repeat(32) }))
    await eventually(() => ends.length === 1)
    expect(seen).toEqual([])
    expect(ends[0]).toMatch(/admin token/)
  })

  test('ends for those who watch when the listener closes, and with an error when nobody is there', async () => {
    const { seen, ends } = watch(client)
    await eventually(() => seen.length === 1)
    await listener[Symbol.asyncDispose]()
    await eventually(() => ends.length === 1)
    expect(ends).toEqual(['complete'])
    const after = watch(client)
    await eventually(() => after.ends.length === 1)
    expect(after.ends[0]).toMatch(/ECONNREFUSED/)
  })

  test('ends with an error when the connection breaks off', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end('event: connected\ndata: {}\n\n')
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { ends } = watch(createAdminClient({ url: `http://127.0.0.1:${port}`, token: ADMIN_TOKEN }))
    await eventually(() => ends.length === 1)
    expect(ends).toEqual(['the control plane broke off'])
    server.close()
  })
})
