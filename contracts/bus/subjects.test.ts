import { describe, expect, test } from 'vitest'
import { nodeId } from '../ids.ts'
import { PREFIX_PATTERN, subjectsOf } from './subjects.ts'

/** Every name a prefix gives rise to. */
function namesOf(prefix: string): readonly string[] {
  const {
    commitStream,
    commits,
    liveCommits,
    registers,
    head,
    weights,
    report,
    telemetry,
    usageStream,
    usage,
  } = subjectsOf(prefix)
  const node = nodeId('node-1')
  return [
    commitStream(1),
    commits(1),
    liveCommits(1),
    registers,
    head,
    usageStream,
    usage,
    weights,
    report(node),
    telemetry(node),
  ]
}

describe('names on the bus', () => {
  test('are all different, within a prefix and between prefixes', () => {
    const names = [...namesOf('apiproxy'), ...namesOf('apiproxy2')]
    expect(new Set(names).size).toBe(names.length)
  })

  test('keep the stream’s own messages and their copies apart, or the copies would be stored again', () => {
    const { commits, liveCommits } = subjectsOf('p')
    expect(liveCommits(1).startsWith(commits(1))).toBe(false)
    expect(commits(1)).not.toBe(commits(11))
  })

  test('of nodes are caught by the wildcards and by nothing else', () => {
    const subjects = subjectsOf('p')
    const pattern = (text: string): RegExp =>
      new RegExp(`^${text.replaceAll('.', '\\.').replace('*', '[^.]+')}$`)
    expect(subjects.report(nodeId('n_1'))).toMatch(pattern(subjects.everyReport))
    expect(subjects.telemetry(nodeId('n_1'))).toMatch(pattern(subjects.everyTelemetry))
    expect(subjects.head).not.toMatch(pattern(subjects.everyReport))
  })

  test('hold nothing that NATS forbids in streams and buckets', () => {
    const { commitStream, registers } = subjectsOf('my_prefix-1')
    for (const name of [commitStream(12), registers]) expect(name).toMatch(/^[\w-]+$/)
  })

  test.each(['apiproxy', 't0', 'a-b_c', 'x'.repeat(32)])('may begin with %s', (prefix) => {
    expect(prefix).toMatch(PREFIX_PATTERN)
  })

  test.each(['', 'A', '-a', 'a.b', 'a*', 'a>', 'a b', 'x'.repeat(33)])('may not begin with %j', (prefix) => {
    expect(prefix).not.toMatch(PREFIX_PATTERN)
  })
})
