/**
 * The fleet, live: every node and how far it is.
 */
import type { Outputs } from '../api.ts'
import type { Context, Mounted, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { count } from '../format.ts'
import { badge, card, code, empty, facts, link, since, table } from '../parts/bits.ts'
import { nodeState } from '../words.ts'

type Node = Outputs['fleet']['list']['nodes'][number]
type Status = Outputs['system']['status']
type Change = Readonly<{ at: number; head: number; nodes: readonly Node[]; gone: readonly string[] }>

/** Every call is recorded: what changes seldom is not asked for with each change of a node, in milliseconds. */
const STATUS_MS = 10_000
/** Before a broken stream is begun anew, in milliseconds. */
const AGAIN_MS = 3_000

export const nodes: View = (context) => {
  const watch = new Watch(context)
  return { refreshMs: null, load: () => watch.page(), stop: () => watch.stop() } satisfies Mounted
}

/** What `fleet.watch` has told, put together. */
class Watch {
  readonly #context: Context
  readonly #nodes = new Map<string, Node>()
  #head = 0
  #toldAt: number | null = null
  #problem: Error | null = null
  #subscription: Readonly<{ unsubscribe: () => void }> | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #status: Readonly<{ at: number; answer: Promise<Status> }> | null = null
  #first = Promise.withResolvers<void>()

  constructor(context: Context) {
    this.#context = context
    this.#begin()
  }

  async page(): Promise<Page> {
    await this.#first.promise
    if (this.#toldAt === null && this.#problem !== null) throw this.#problem
    const status = await this.#known()
    const all = [...this.#nodes.values()].toSorted((one, other) =>
      one.report.node < other.report.node ? -1 : 1,
    )
    return {
      heading: 'Nodes',
      about: [
        'As they report themselves, live. ',
        this.#problem === null
          ? null
          : h('span', { class: 'told warn' }, `Not live now: ${this.#problem.message}`),
      ],
      body: [
        card('The log', logOf(status, this.#head)),
        all.length === 0
          ? empty('No node has reported yet. Nodes find the control plane by APIPROXY_CONTROL_URL.')
          : listOf(all, this.#context.now()),
        divergences(all),
      ],
    }
  }

  /** Not broken off with the page that waits for it: changes may come faster than it is answered. */
  #known(): Promise<Status> {
    const now = this.#context.now()
    if (this.#status === null || now - this.#status.at > STATUS_MS) {
      const answer = this.#context.api.system.status.query()
      const asked = { at: now, answer }
      this.#status = asked
      answer.catch(() => {
        if (this.#status === asked) this.#status = null
      })
    }
    return this.#status.answer
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#subscription?.unsubscribe()
    this.#subscription = null
  }

  #begin(): void {
    this.#subscription = this.#context.api.fleet.watch.subscribe(
      {},
      { onData: (change) => this.#take(change), onError: (error) => this.#broken(error) },
    )
  }

  #take({ at, head, nodes: changed, gone }: Change): void {
    // The first thing told is the whole fleet.
    if (this.#toldAt === null || this.#problem !== null) this.#nodes.clear()
    for (const node of changed) this.#nodes.set(node.report.node, node)
    for (const name of gone) this.#nodes.delete(name)
    this.#problem = null
    this.#head = head
    this.#toldAt = at
    this.#first.resolve()
    this.#context.again()
  }

  #broken(error: Error): void {
    this.#problem = error
    this.#first.resolve()
    this.#context.again()
    this.#timer = setTimeout(() => this.#begin(), AGAIN_MS)
  }
}

function logOf({ epoch, floor, stop, chain, logId, relay, frozen }: Status, head: number): HTMLElement {
  return facts([
    ['Head', link(`commit ${head}`, ['timeline'])],
    ['Epoch', String(epoch)],
    ['Log', logId === null ? null : code(logId)],
    ['Chain', code(`${chain.slice(0, 16)}…`)],
    ['To the nodes', 'reason' in relay ? `${relay.kind}: ${relay.reason}` : relay.kind],
    ['Floor', floor === 0 ? 'none' : `fold version ${floor}`],
    [
      'Goes on without us',
      stop === null ? null : `from commit ${stop.commit}, which needs fold version ${stop.minFold}`,
    ],
    [
      'Frozen',
      frozen.length === 0
        ? null
        : h(
            'ul',
            { class: 'plain' },
            frozen.map(({ stream, commit, reason }) =>
              h('li', {}, code(stream), ` at commit ${commit}: ${reason}`),
            ),
          ),
    ],
  ])
}

const COLUMNS = [
  { title: 'Node' },
  { title: 'State' },
  { title: 'Behind', isNumber: true },
  { title: 'Received', isNumber: true },
  { title: 'Applied', isNumber: true },
  { title: 'On disk', isNumber: true },
  { title: 'Served', isNumber: true },
  { title: 'Link' },
  { title: 'Traffic' },
  { title: 'Release' },
  { title: 'Heard of' },
] as const

const listOf = (all: readonly Node[], now: number): HTMLElement =>
  table(
    'Nodes',
    COLUMNS,
    all.map(({ state, report, lastSeen, lag }) => ({
      key: report.node,
      cells: [
        h('strong', {}, report.node),
        badge(nodeState(state)),
        lag === 0 ? '0' : `${count(lag)} commits`,
        ...[report.received, report.applied, report.persisted, report.served].map(String),
        report.link,
        report.accepting ? 'taken' : 'drains',
        [report.build, h('small', {}, ` fold ${report.foldVersion}`)],
        state === 'STALE' ? since(lastSeen, now) : 'lately',
      ],
    })),
  )

/** What a node holds back, and states that are not ours. */
function divergences(all: readonly Node[]): Child {
  const odd = all.filter(({ state, report }) => state === 'DIVERGED' || report.nacks.length > 0)
  if (odd.length === 0) return null
  return card(
    'Held back and diverged',
    odd.map(({ state, report }) =>
      h(
        'section',
        { 'data-key': report.node },
        h('h3', {}, report.node),
        state === 'DIVERGED'
          ? h(
              'p',
              {},
              `At commit ${report.applied} its state has the digest `,
              code(report.digest.slice(0, 16)),
              '…, ours has another.',
            )
          : null,
        h(
          'ul',
          {},
          report.nacks.map(({ commit, stream, reason }) =>
            h('li', {}, code(stream), ` stays as it was before commit ${commit}: ${reason}`),
          ),
        ),
      ),
    ),
  )
}
