import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeNodeReport, encodeNodeReport, type NodeReport } from './report.ts'

const report: NodeReport = {
  v: 1,
  node: 'node-1',
  boot: 'boot-1',
  build: '0.1.0',
  foldVersion: 1,
  epoch: 1,
  received: 9,
  applied: 8,
  persisted: 7,
  served: 8,
  digest: 'a'.repeat(64),
  link: 'bus',
  nacks: [{ commit: 8, stream: 'provider-openai', reason: 'no secret' }],
  accepting: true,
}

describe('a node report', () => {
  test('brings back what was sent', () => {
    expect(decodeNodeReport(encodeNodeReport(report))).toEqual({ ok: true, value: report })
  })

  test('may carry more than this build knows', () => {
    expect(decodeNodeReport(JSON.stringify({ ...report, ring: 'canary' }))).toEqual({
      ok: true,
      value: report,
    })
  })

  test.each<[string, object]>([
    ['version', { v: 0 }],
    ['name', { node: '' }],
    ['watermark', { served: -1 }],
    ['watermark that is no whole number', { applied: 1.5 }],
    ['digest', { digest: 'short' }],
    ['link', { link: 'pigeon' }],
    ['number of refusals', { nacks: Array.from({ length: 11 }, () => report.nacks[0]) }],
    ['length of a reason', { nacks: [{ ...report.nacks[0], reason: 'x'.repeat(501) }] }],
  ])('with a wrong %s is refused', (_what, change) => {
    expect(decodeNodeReport(JSON.stringify({ ...report, ...change })).ok).toBe(false)
  })

  test('never throws on any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(decodeNodeReport(text).ok).toBe(false)
      }),
    )
  })
})
