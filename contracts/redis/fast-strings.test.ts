import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/** @returns whether compiled code finds methods of strings at once, after each step. */
async function isFastAfter(...steps: readonly string[]): Promise<readonly boolean[]> {
  const script = steps.map(
    (step) => `${step}; process.stdout.write(%HasFastProperties(String.prototype) + '\\n')`,
  )
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--allow-natives-syntax', '--input-type=module', '--eval', script.join('\n')],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)) },
  )
  return stdout
    .trim()
    .split('\n')
    .map((line) => line === 'true')
}

test('methods of strings stay fast though the client of Redis extends their class, and whoever does so later', async () => {
  const client = "await import('ioredis')"
  const ours = "await import('#contracts/redis/link-redis.ts')"
  const others = 'class Text extends String {}'
  expect(await isFastAfter(client, ours, others)).toEqual([false, true, true])
  expect(await isFastAfter(ours, others)).toEqual([true, true])
})
