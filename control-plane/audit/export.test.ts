import { describe, expect, test } from 'vitest'
import { diceOf } from '#contracts/routing/dice.ts'
import { verifyFile } from '#control-plane/admin/cli/log-file.ts'
import { checkLines, exportedLog, missed, tamper } from '#test/control-plane/tamper.ts'
import { Signer } from './signer.ts'

const log = exportedLog(20, 1)
const checkWith = (lines: readonly string[], publicKey: string, checkpoint: string | null) =>
  verifyFile(lines.join('\n'), publicKey, checkpoint)
const { publicKey } = log.signer.verifier

describe('an export', () => {
  test('as it was written is whole, from its first to its last commit', () => {
    expect(checkLines(log.lines, log)).toMatchObject({ ok: true, from: 1, through: 20 })
    expect(checkWith(log.lines, publicKey, null)).toMatchObject({ ok: true, through: 20 })
  })

  test('that was tampered with is found, and its first bad commit named', () => {
    const random = diceOf(7)
    const tried = Array.from({ length: 500 }, () => tamper(log, random))
    expect(tried.flatMap((one) => missed(log, one) ?? [])).toEqual([])
    expect(new Set(tried.map(({ kind }) => kind)).size).toBe(6)
  })

  test('checked with the key of another installation is not believed at all', () => {
    const other = new Signer(Buffer.alloc(32, 2)).verifier.publicKey
    expect(checkWith(log.lines, other, null)).toMatchObject({
      ok: false,
      firstBad: { commit: 1, line: 1, problem: 'manifest_forged' },
    })
  })

  test('cut off between two segments is missed as what it promised', () => {
    // Seven commits a segment, each behind its manifest.
    expect(checkWith(log.lines.slice(0, 16), publicKey, null)).toMatchObject({
      ok: false,
      through: 14,
      firstBad: { commit: 15, line: 17, problem: 'commit_missing' },
    })
  })

  test('made of an older log is refused where a checkpoint kept outside knows more', () => {
    const older = exportedLog(10, 1)
    expect(checkWith(older.lines, publicKey, null)).toMatchObject({ ok: true, through: 10 })
    expect(checkWith(older.lines, publicKey, JSON.stringify(log.checkpoint))).toMatchObject({
      ok: false,
      firstBad: { commit: 11, problem: 'commit_missing' },
    })
  })

  test('of another history under the same key is refused where a checkpoint kept outside differs', () => {
    const other = exportedLog(20, 2)
    expect(checkWith(other.lines, publicKey, JSON.stringify(log.checkpoint))).toMatchObject({
      ok: false,
      firstBad: { commit: 20, problem: 'checkpoint_mismatch' },
    })
  })

  test('is not compared with a checkpoint that nobody signed', () => {
    const forged = { ...log.checkpoint, body: log.checkpoint.body.replace('"commit":20', '"commit":2') }
    expect(checkWith(log.lines, publicKey, JSON.stringify(forged))).toMatchObject({
      ok: false,
      firstBad: { problem: 'checkpoint_forged' },
    })
  })
})

test('what is not a key or a checkpoint is said to be none', () => {
  expect(checkWith(log.lines, 'key', null)).toEqual({ problem: expect.stringContaining('publicKey') })
  expect(checkWith(log.lines, publicKey, '{"x":1}')).toEqual({
    problem: expect.stringContaining('checkpoint'),
  })
})

test('a signature for one use is none for another', () => {
  const signed = log.signer.sign('manifest', 'text')
  expect(log.signer.verifier.accepts('manifest', signed)).toBe(true)
  expect(log.signer.verifier.accepts('checkpoint', signed)).toBe(false)
})
