import { expect, test } from 'vitest'
import { holdsSealed } from './holds-sealed.ts'

/** As a large body is searched, and as a small one. */
function holds(text: string): boolean {
  const body = Buffer.from(text)
  const found = holdsSealed(body, null)
  expect(holdsSealed(body, body.toString('latin1'))).toBe(found)
  return found
}

test.each([
  ['{"signature":"apx1.k9.zzz"}', true],
  ['apx1.', true],
  ['px1.', false],
  ['x1.', false],
  ['', false],
  ['apx1', false],
  ['aapx1.', true],
  [`x1.x1.${'ä'.repeat(500)}apx1.`, true],
  ['xapx1,x1.', false],
])('sealed state is found wherever it begins: %j', (text, found) => expect(holds(text)).toBe(found))

test('a body full of what looks like its end is searched, too', () => {
  const decoys = 'x1.'.repeat(10_000)
  expect(holds(decoys)).toBe(false)
  expect(holds(`${decoys}apx1.`)).toBe(true)
  // The first hit that is counted out may itself be in the middle of one.
  expect(holds(`${'x1.'.repeat(100)}apx1.`)).toBe(true)
})
