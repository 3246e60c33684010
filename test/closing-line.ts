/**
 * Ends a run with one plain line that every CI system can read: `123 passed, 0 failed`.
 */
import type { Reporter } from 'vitest/node'

export class ClosingLine implements Reporter {
  readonly onTestRunEnd: NonNullable<Reporter['onTestRunEnd']> = (modules, errors, reason) => {
    let passed = 0
    let failed = errors.length
    let skipped = 0
    for (const module of modules) {
      // A file that could not be loaded has no tests that could fail.
      failed += module.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed += 1
        else if (state === 'skipped') skipped += 1
        else failed += 1
      }
    }
    // A run that was broken off has not passed, whatever it had done so far.
    if (reason === 'interrupted' && failed === 0) failed = 1
    const before = skipped === 0 ? '' : `${skipped} skipped\n`
    process.on('exit', () => process.stdout.write(`${before}${passed} passed, ${failed} failed\n`))
  }
}
