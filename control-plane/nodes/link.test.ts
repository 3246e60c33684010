import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import { randomUUID } from 'node:crypto'
import fastify from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import { openCommit } from '#contracts/commit/signed.ts'
import { decodeSnapshot } from '#contracts/commit/snapshot.ts'
import { HttpControlLink } from '#contracts/fleet/control-http.ts'
import { COMMITS_PER_ANSWER, Head } from '#contracts/fleet/link.ts'
import { encodeNodeReport } from '#contracts/fleet/report.ts'
import { nodeId, secretId } from '#contracts/ids.ts'
import { listeningPort } from '#contracts/process/health.ts'
import type { Secret } from '#contracts/security/secret.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { nodeReport } from '#test/control-plane/node-report.ts'
import { eventually } from '#test/eventually.ts'
import { Ledger } from '../commands/ledger.ts'
import { Fleet } from './fleet.ts'
import { Heartbeat } from './heartbeat.ts'
import { NodeLink } from './link.ts'
import { addNodeRoutes } from './routes.ts'

const NEVER = new AbortController().signal

let plane: AdminPlane
let link: NodeLink
beforeAll(async () => {
  plane = await openAdminPlane()
  const { ledger, log, fleet, masterKey } = plane.ports
  const parts = { log, fleet, key: masterKey.commits, budgets: plane.desk }
  link = new NodeLink({ ...parts, ledger, lists: () => ['signed list'] })
})
afterAll(() => plane[Symbol.asyncDispose]())

const head = (): number => plane.ports.ledger.catalog.commit
const change = async (): Promise<void> => void (await plane.api.keys.issue({ name: randomUUID() }))
const numbers = (texts: readonly string[]): readonly number[] =>
  texts.map((text) => {
    const opened = openCommit(text, plane.ports.masterKey.commits)
    return opened.ok ? opened.value.commit : -1
  })

describe('what nodes ask', () => {
  test('a snapshot is the catalog at the head, made once for many', async () => {
    await change()
    const text = await link.snapshot()
    const decoded = decodeSnapshot(text, true)
    expect(decoded.ok && decoded.value.catalog.commit).toBe(head())
    expect(await link.snapshot()).toBe(text)
    await change()
    expect(await link.snapshot()).not.toBe(text)
  })

  test('secrets that many nodes ask for at once are read once, and again when asked for later', async () => {
    const { ledger, log, fleet, masterKey } = plane.ports
    let reads = 0
    const secrets = (ids: readonly string[]): ReturnType<typeof log.secrets> => {
      reads += 1
      return log.secrets(ids)
    }
    const parts = { log: { read: log.read.bind(log), secrets }, fleet, key: masterKey.commits }
    const asked = new NodeLink({ ...parts, budgets: plane.desk, ledger, lists: () => [] })
    const ask = (): Promise<ReadonlyMap<string, string>> => asked.secrets([secretId('sec_none')])
    await Promise.all([ask(), ask(), ask()])
    expect(reads).toBe(1)
    await ask()
    expect(reads).toBe(2)
  })

  test('there is no snapshot before the log was read', async () => {
    const { log, fleet, masterKey } = plane.ports
    const ledger = new Ledger(log, plane.clock)
    const parts = { log, fleet, key: masterKey.commits, budgets: plane.desk }
    const starting = new NodeLink({ ...parts, ledger, lists: () => [] })
    await expect(starting.snapshot()).rejects.toThrow('the log has not been read yet')
  })

  test('commits are those after a number, signed, in order; the old ones from the log', async () => {
    for (let at = 0; at < 3; at++) await change()
    expect(numbers(await link.commits(head() - 2, 0, NEVER))).toEqual([head() - 1, head()])
    // The first commit was made before this link listened.
    expect(numbers(await link.commits(0, 0, NEVER))).toEqual(
      Array.from({ length: head() }, (_, at) => at + 1),
    )
    expect(await link.commits(head(), 0, NEVER)).toEqual([])
    expect(await link.commits(head() + 5, 0, NEVER)).toEqual([])
    expect(head()).toBeLessThan(COMMITS_PER_ANSWER)
  })

  test('whoever waits gets the next commit when it is made', async () => {
    const after = head()
    const waiting = [link.commits(after, 30_000, NEVER), link.commits(after, 30_000, NEVER)]
    await change()
    expect((await Promise.all(waiting)).map(numbers)).toEqual([[after + 1], [after + 1]])
  })

  test('waiting ends with its time, and with the node that waits', async () => {
    expect(await link.commits(head(), 5, NEVER)).toEqual([])
    const leave = new AbortController()
    const waiting = link.commits(head(), 30_000, leave.signal)
    leave.abort()
    expect(await waiting).toEqual([])
    expect(await link.commits(head(), 30_000, leave.signal)).toEqual([])
  })
})

describe('over HTTP', () => {
  let stack: AsyncDisposableStack
  let url: string
  const open = (token: Secret): HttpControlLink => stack.use(new HttpControlLink({ url, token }))

  beforeEach(async () => {
    stack = new AsyncDisposableStack()
    const server = stack.adopt(fastify({ logger: false, forceCloseConnections: true }), (built) =>
      built.close(),
    )
    addNodeRoutes(server, { link, token: plane.ports.masterKey.nodeToken })
    await server.listen({ host: '127.0.0.1', port: 0 })
    url = `http://127.0.0.1:${listeningPort(server)}`
  })
  afterEach(() => stack.disposeAsync())

  test('a node is answered as without it', async () => {
    const node = open(plane.ports.masterKey.nodeToken)
    expect(await node.snapshot(NEVER)).toBe(await link.snapshot())
    expect(await node.commits(0, 0, NEVER)).toEqual(await link.commits(0, 0, NEVER))
    const after = head()
    const waiting = node.commits(after, 20_000, NEVER)
    await change()
    expect(numbers(await waiting)).toEqual([after + 1])
    expect(await node.secrets([secretId('sec_none')], NEVER)).toEqual(new Map())
    expect(await node.modelLists(NEVER)).toEqual(['signed list'])
    const name = `node-${randomUUID()}`.slice(0, 60)
    await node.report(nodeReport(name), NEVER)
    expect(plane.ports.fleet.list().map(({ report }) => report.node)).toContain(name)
  })

  test.each(['/snapshot', '/commits?after=0', '/secrets', '/model-lists', '/report'])(
    '%s is refused without the nodes’ own token, before anything is read',
    async (path) => {
      const method = ['/secrets', '/report'].includes(path) ? 'POST' : 'GET'
      for (const authorization of [
        '',
        'Bearer ',
        'Bearer wrong',
        `Bearer ${plane.ports.adminToken.reveal()}`,
      ]) {
        const answer = await fetch(`${url}${path}`, {
          method,
          headers: { authorization, 'content-type': 'application/json' },
          ...(method === 'POST' ? { body: '{broken' } : {}),
        })
        expect(answer.status).toBe(401)
      }
    },
  )

  test.each([
    ['GET', '/commits?after=-1', undefined],
    ['GET', '/commits', undefined],
    ['GET', '/commits?after=0&wait=31000', undefined],
    ['POST', '/secrets', '{"ids":"all"}'],
    ['POST', '/secrets', JSON.stringify({ ids: Array.from({ length: 501 }, () => 'x') })],
    ['POST', '/report', '{"v":1}'],
    ['POST', '/report', '{broken'],
  ])('%s %s is refused when it is malformed', async (method, path, body) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${plane.ports.masterKey.nodeToken.reveal()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
    })
    expect(answer.status).toBe(400)
  })
})

describe('the heartbeat', () => {
  test('says how far the log is, hears the nodes, and counts what it cannot read', async () => {
    const broker = new MemoryBroker()
    const [bus, node] = [broker.connect(), broker.connect()]
    const subjects = subjectsOf('test')
    const heads: string[] = []
    node.subscribe(subjects.head, (text) => heads.push(text))
    const { ledger } = plane.ports
    const fleet = new Fleet(ledger, plane.clock)
    using heartbeat = new Heartbeat({ bus, subjects, ledger, fleet })
    node.publish(subjects.report(nodeId('n1')), encodeNodeReport(nodeReport('n1')))
    node.publish(subjects.report(nodeId('n2')), 'rubbish')
    await eventually(() => fleet.live === 1 && heartbeat.garbled === 1)
    await eventually(() => heads.length > 0)
    expect(Head.parse(JSON.parse(heads[0] ?? ''))).toEqual({
      v: 1,
      epoch: 1,
      commit: head(),
      chain: ledger.snapshot.chain,
      digest: ledger.snapshot.digest,
      foldVersion: FOLD_VERSION,
      nodes: 1,
    })
  })

  test('says nothing before the log was read', async () => {
    const broker = new MemoryBroker()
    const [bus, node] = [broker.connect(), broker.connect()]
    const subjects = subjectsOf('test')
    const heads: string[] = []
    node.subscribe(subjects.head, (text) => heads.push(text))
    const ledger = new Ledger(plane.ports.log, plane.clock)
    using _ = new Heartbeat({ bus, subjects, ledger, fleet: new Fleet(ledger, plane.clock) })
    await new Promise((resolve) => setTimeout(resolve, 2_200))
    expect(heads).toEqual([])
    await ledger.catchUp()
    await eventually(() => heads.length > 0)
  })
})
