import { describe, expect, test } from 'vitest'
import { faultsApart, noteNode, type NodeRows } from './isolation.ts'

function rowsOf(nodes: Readonly<Record<string, readonly [judged: number, faults: number]>>): NodeRows {
  const rows: NodeRows = new Map()
  for (const [node, [judged, faults]] of Object.entries(nodes)) noteNode(rows, node, { judged, faults }, 0)
  return rows
}

describe('faultsApart', () => {
  test('sees a node that fails where the others do not', () => {
    const rows = rowsOf({ cut: [10, 10], fine: [20, 0], well: [20, 1] })
    expect(faultsApart(rows, 'cut', 0)).toBe(true)
    expect(faultsApart(rows, 'fine', 0)).toBe(false)
  })

  test('believes a node when the others fail as well', () => {
    expect(faultsApart(rowsOf({ a: [10, 10], b: [20, 4], c: [20, 0] }), 'a', 0)).toBe(false)
  })

  test('judges nobody between two nodes, nor by the word of nodes that hardly asked', () => {
    expect(faultsApart(rowsOf({ a: [10, 10], b: [20, 0] }), 'a', 0)).toBe(false)
    expect(faultsApart(rowsOf({ a: [10, 10], b: [2, 0], c: [2, 0] }), 'a', 0)).toBe(false)
  })

  test('forgets nodes that are gone', () => {
    const rows = rowsOf({ a: [10, 0], b: [10, 0] })
    noteNode(rows, 'c', { judged: 1, faults: 0 }, 600_000)
    expect([...rows.keys()]).toEqual(['c'])
  })
})
