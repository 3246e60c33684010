import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import { CHAIN_START } from '#contracts/commit/chain.ts'
import type { WireCommit } from '#contracts/commit/commit.ts'
import { SYSTEM_STREAM } from '#contracts/ids.ts'
import { keyIssued, TestLog } from '#test/model/log-builder.ts'
import {
  EMPTY,
  nextMove,
  onAnswer,
  onCommit,
  onDoubt,
  onHead,
  onNoSnapshot,
  onSnapshot,
  onStuck,
  type CommitVerdict,
  type FollowState,
  type Position,
} from './cursor.ts'

/** Ten commits of one log, of epoch 2 from the second on, and ten of another past that agree with none of them. */
const log = new TestLog()
const other = new TestLog('log-2')
log.advanceEpoch()
other.advanceEpoch()
for (let index = 0; index < 8; index++) {
  log.append([keyIssued(`key_${index}`)])
  other.append([keyIssued(`key_${index}`)])
}
/** The same past up to commit 5; then the floor is raised above this release. */
const raised = new TestLog()
raised.advanceEpoch()
for (let index = 0; index < 3; index++) raised.append([keyIssued(`key_${index}`)])
raised.append([{ type: 'SchemaFloorRaised', stream: SYSTEM_STREAM, body: { minFold: FOLD_VERSION + 1 } }])
const wire = (commit: number, over: Partial<WireCommit> = {}): WireCommit => ({
  ...log.commits[commit - 1]!,
  ...over,
})
const position = (commit: number, over: Partial<Position> = {}): Position => ({
  logId: 'log-1',
  epoch: 2,
  commit,
  chain: log.commits[commit - 1]!.chain,
  ...over,
})

/** The columns. Everyone but `empty` holds commit 5 of epoch 2. */
const at = position(5)
const STATES = {
  empty: EMPTY,
  following: { kind: 'following', at },
  'stream 7': { kind: 'seeking', at, where: 'stream', wanted: { epoch: 2, commit: 7 } },
  'stream 5': { kind: 'seeking', at, where: 'stream', wanted: { epoch: 2, commit: 5 } },
  'log 7': { kind: 'seeking', at, where: 'log', wanted: { epoch: 2, commit: 7 } },
  'log 3:4': { kind: 'seeking', at, where: 'log', wanted: { epoch: 3, commit: 4 } },
  'snapshot 7': { kind: 'seeking', at, where: 'snapshot', wanted: { epoch: 2, commit: 7 } },
  broken: { kind: 'broken', at, where: 'snapshot' },
  'broken log': { kind: 'broken', at, where: 'log' },
  blocked: { kind: 'blocked', at, epoch: 2, minFold: 2 },
} satisfies Record<string, FollowState>

type Stepped = Readonly<{ state: FollowState; verdict: CommitVerdict | string }>
type Input = (state: FollowState) => Stepped
const silent = (state: FollowState) => ({ state, verdict: '' })
const commit =
  (via: 'bus' | 'log', commitWire: WireCommit): Input =>
  (state) =>
    onCommit(state, commitWire, via)
const damaged = wire(6, { events: wire(6).events.map((event) => ({ ...event, body: '{}' })) })
const forged = wire(6, { chain: '0'.repeat(64) })
const foreign = other.commits[5]!
const floor = raised.commits[5]!
const chain = 'f'.repeat(64)

/** The rows. */
const INPUTS = {
  'bus: next link': commit('bus', wire(6)),
  'bus: next, envelope changed': commit('bus', wire(6, { epoch: 3 })),
  'bus: next, body changed': commit('bus', damaged),
  'bus: next, link changed': commit('bus', forged),
  'bus: next, of another past': commit('bus', foreign),
  'bus: next, of another past, older epoch': commit('bus', { ...foreign, epoch: 1 }),
  'bus: next, raises the floor': commit('bus', floor),
  'bus: held already': commit('bus', wire(5)),
  'bus: held already, older epoch': commit('bus', wire(1)),
  'bus: held already, newer epoch': commit('bus', wire(4, { epoch: 3 })),
  'bus: ahead': commit('bus', wire(9)),
  'bus: ahead, older epoch': commit('bus', wire(9, { epoch: 1 })),
  'bus: ahead, newer epoch': commit('bus', wire(9, { epoch: 3 })),
  'log: next link': commit('log', wire(6)),
  'log: next, body changed': commit('log', damaged),
  'log: next, of another past': commit('log', foreign),
  'log: next, raises the floor': commit('log', floor),
  'log: held already': commit('log', wire(5)),
  'log: held already, newer epoch': commit('log', wire(4, { epoch: 3 })),
  'log: ahead': commit('log', wire(9)),
  'snapshot: newer': (state) => onSnapshot(state, position(8)),
  'snapshot: same commit': (state) => onSnapshot(state, position(5)),
  'snapshot: same commit, other chain': (state) => onSnapshot(state, position(5, { chain })),
  'snapshot: older': (state) => onSnapshot(state, position(2)),
  'snapshot: older, newer epoch': (state) => onSnapshot(state, position(2, { epoch: 3 })),
  'snapshot: newer, older epoch': (state) => onSnapshot(state, position(8, { epoch: 1 })),
  'snapshot: newer, of another log': (state) => onSnapshot(state, position(8, { logId: 'log-2', epoch: 3 })),
  'snapshot: none': (state) => silent(onNoSnapshot(state)),
  'head: here': (state) => onHead(state, { epoch: 2, commit: 5, chain: at.chain }),
  'head: here, other chain': (state) => onHead(state, { epoch: 2, commit: 5, chain }),
  'head: further': (state) => onHead(state, { epoch: 2, commit: 9, chain }),
  'head: before': (state) => onHead(state, { epoch: 2, commit: 3, chain }),
  'head: older epoch': (state) => onHead(state, { epoch: 1, commit: 9, chain }),
  'head: newer epoch, further': (state) => onHead(state, { epoch: 3, commit: 9, chain }),
  'head: newer epoch, before': (state) => onHead(state, { epoch: 3, commit: 3, chain }),
  'doubt: unknown': (state) => silent(onDoubt(state, null)),
  'doubt: of commit 9': (state) => silent(onDoubt(state, { epoch: 2, commit: 9 })),
  'stream: gave all': (state) => silent(onAnswer(state, 'stream', 'all')),
  'stream: gave some': (state) => silent(onAnswer(state, 'stream', 'some')),
  'stream: lacking': (state) => silent(onAnswer(state, 'stream', 'lacking')),
  'log: gave all': (state) => silent(onAnswer(state, 'log', 'all')),
  'log: gave some': (state) => silent(onAnswer(state, 'log', 'some')),
  'log: lacking': (state) => silent(onAnswer(state, 'log', 'lacking')),
  'cannot be folded': () => silent(onStuck(at)),
} satisfies Record<string, Input>

const cell = (input: Input, state: FollowState): string => {
  const { state: next, verdict } = input(state)
  const parts = [sayVerdict(verdict), next === state ? '' : `→ ${sayState(next)}`].filter(
    (part) => part !== '',
  )
  return parts.length === 0 ? '·' : parts.join(' ')
}

function sayVerdict(verdict: CommitVerdict | string): string {
  if (typeof verdict === 'string') return verdict
  if (verdict.kind === 'gap') return `gap ${verdict.from}-${verdict.to}`
  return verdict.kind === 'broken' ? `broken ${verdict.problem}` : verdict.kind
}

function sayState(state: FollowState): string {
  if (state.kind === 'empty') return 'empty'
  const here = `${state.at.epoch}:${state.at.commit}`
  if (state.kind === 'blocked') return `blocked ${here} heard of ${state.epoch}`
  return state.kind === 'seeking'
    ? `${state.where} ${here} for ${state.wanted.epoch}:${state.wanted.commit}`
    : state.kind === 'broken'
      ? `broken ${here} ask ${state.where}`
      : `following ${here}`
}

/** The tables of `SPEC.md`: first column → cells by column heading. */
function tableAfter(heading: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const spec = readFileSync(new URL('SPEC.md', import.meta.url), 'utf8')
  const section = spec
    .slice(spec.indexOf(`## ${heading}\n`))
    .split('\n## ', 1)
    .join('')
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  const rows = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((text) => text.trim()),
  )
  const [columns = [], , ...rest] = rows
  return new Map(
    rest.map(([name = '', ...cells]) => [
      name,
      new Map(cells.map((text, index) => [columns[index + 1] ?? '', text])),
    ]),
  )
}

describe('the table of transitions in SPEC.md', () => {
  const table = tableAfter('Transitions')

  test('has exactly the rows and columns tested here', () => {
    expect([...table.keys()]).toEqual(Object.keys(INPUTS))
    for (const cells of table.values()) expect([...cells.keys()]).toEqual(Object.keys(STATES))
  })

  test.each(Object.entries(INPUTS))('is what the machine does: %s', (name, input) => {
    const cells = Object.entries(STATES).map(([column, state]): [string, string] => [
      column,
      cell(input, state),
    ])
    expect(new Map(cells)).toEqual(table.get(name))
  })
})

describe('the table of moves in SPEC.md', () => {
  test.each([...tableAfter('Moves')])('is what the machine says: %s', (name, cells) => {
    const state = Object.entries(STATES).find(([column]) => column === name)?.[1]
    if (state === undefined) throw new Error(`no state ${name}`)
    for (const [bus, move] of cells) expect([bus, nextMove(state, busStateOf(bus))]).toEqual([bus, move])
  })

  test('has every state', () => {
    expect([...tableAfter('Moves').keys()]).toEqual(Object.keys(STATES))
  })
})

const busStateOf = (text: string): 'live' | 'silent' | 'down' =>
  text === 'live' || text === 'silent' ? text : 'down'

describe('the position', () => {
  test('is always the one of the catalog that the same commits fold to', () => {
    const begun = new TestLog('log-9')
    begun.advanceEpoch()
    begun.append([keyIssued('key_1')])
    let { state } = onSnapshot(EMPTY, { logId: null, epoch: 1, commit: 0, chain: CHAIN_START })
    for (const [index, next] of begun.commits.entries()) {
      state = onCommit(state, next, 'bus').state
      const { epoch, commit: number, genesis } = begun.catalog(index + 1)
      expect(state).toMatchObject({ at: { logId: genesis?.logId, epoch, commit: number, chain: next.chain } })
    }
    expect(state).toMatchObject({ at: { logId: 'log-9', epoch: 2, commit: 3 } })
  })

  const startAt = (): FollowState => STATES.following

  /** Anything the outside can do to the machine, in any order. */
  const inputs = fc.array(fc.constantFrom(...Object.entries(INPUTS)), { maxLength: 40 })

  test('never goes back without a newer epoch, and never to another log, whatever comes', () => {
    fc.assert(
      fc.property(inputs, (sequence) => {
        let state = startAt()
        for (const [, input] of sequence) {
          const next: FollowState = input(state).state
          if (state.kind === 'empty' || next.kind === 'empty') throw new Error('a node forgot everything')
          // Falling back to what was folded is the one exception, and it is said by ourselves.
          if (input !== INPUTS['cannot be folded']) {
            const isFurther = next.at.epoch > state.at.epoch || next.at.commit >= state.at.commit
            expect([isFurther, next.at.logId]).toEqual([true, 'log-1'])
          }
          state = next
        }
      }),
    )
  })

  test('moves by one commit, and only to the next link', () => {
    fc.assert(
      fc.property(inputs, (sequence) => {
        let state = startAt()
        for (const [name, input] of sequence) {
          const { state: next, verdict }: Stepped = input(state)
          if (state.kind !== 'empty' && next.kind !== 'empty' && name.includes('next')) {
            const isLink = typeof verdict === 'object' && verdict.kind === 'apply'
            expect(next.at.commit).toBe(state.at.commit + (isLink ? 1 : 0))
          }
          state = next
        }
      }),
    )
  })

  test('asks the next source after each that does not help, and ends when the last has answered', () => {
    let state: FollowState = STATES['stream 7']
    const asked: string[] = []
    for (let move = nextMove(state, 'live'); move !== 'rest'; move = nextMove(state, 'live')) {
      asked.push(move)
      if (move === 'stream' || move === 'log') state = onAnswer(state, move, 'lacking')
      else if (asked.length === 3) state = onNoSnapshot(state)
      else state = onSnapshot(state, at).state
    }
    expect(asked).toEqual(['stream', 'log', 'snapshot', 'stream', 'log', 'snapshot'])
  })
})
