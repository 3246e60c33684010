import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OwnedProcess } from '#test/processes/owned.ts'

const root = new URL('../..', import.meta.url).pathname

/** Runs a small main that uses the real functions, in a process of its own. */
const runMain = (body: string, env: Readonly<Record<string, string>> = {}): Promise<OwnedProcess> =>
  OwnedProcess.start(
    process.execPath,
    [
      '--input-type=module-typescript',
      '--eval',
      `import { runUntilSignal, orExit } from '${root}contracts/process/lifecycle.ts'
       import { createLogger } from '${root}contracts/process/logger.ts'
       const logger = createLogger('test', 'info')
       setInterval(() => {}, 1_000)
       ${body}`,
    ],
    { cwd: root, env: { PATH: process.env['PATH'], ...env } },
  )

const startThing = (dispose: string): string => `
  await runUntilSignal(logger, async () => {
    console.log('started')
    return { [Symbol.asyncDispose]: async () => { ${dispose} } }
  })`

describe('a process that runs until a signal', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'disposes of what it started on %s and ends with 0',
    async (signal) => {
      await using main = await runMain(
        startThing(`await new Promise((r) => setTimeout(r, 30)); console.log('disposed')`),
      )
      await main.waitForLine(/^started$/)
      main.signal(signal)
      expect(await main.exited).toEqual({ code: 0, signal: null })
      const said = main.lines.map((line) =>
        line.startsWith('{') ? (JSON.parse(line) as { message: string }).message : line,
      )
      expect(said[0]).toBe('started')
      // A thread writes log lines: they may come a moment later than what is printed at once.
      expect(said.toSorted()).toEqual(['disposed', 'started', 'stopped', 'stopping'])
    },
  )

  test('does not have to be told a third time, and takes two at once for one', async () => {
    await using main = await runMain(startThing('await new Promise(() => {})'))
    await main.waitForLine(/^started$/)
    main.signal('SIGTERM')
    await main.waitForLine(/stopping/)
    // A whole group is signalled at once, so the same wish may come twice.
    main.signal('SIGINT')
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    expect(main.running).toBe(true)
    main.signal('SIGINT')
    expect(await main.exited).toEqual({ code: 130, signal: null })
  })

  test('that is told to stop while it still starts does not wait for what it waits for', async () => {
    await using main = await runMain(`
      await runUntilSignal(logger, async () => {
        console.log('starting')
        await new Promise(() => {})
      })`)
    await main.waitForLine(/^starting$/)
    main.signal('SIGTERM')
    expect(await main.exited).toEqual({ code: 0, signal: null })
  })

  test('has written what it compiled before it begins: nobody waits for that, and it may be killed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'apiproxy-compiled-'))
    try {
      await using main = await runMain(
        `await runUntilSignal(logger, async () => {
          const { readdirSync } = await import('node:fs')
          console.log('files ' + readdirSync(process.env.NODE_COMPILE_CACHE, { recursive: true }).length)
          await new Promise(() => {})
        })`,
        { NODE_COMPILE_CACHE: folder },
      )
      // One folder for this version of Node, and the files in it.
      expect(await main.waitForLine(/^files \d+$/)).not.toMatch(/^files [01]$/)
      expect(main.running).toBe(true)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('that cannot start says why and ends with 1', async () => {
    await using main = await runMain(
      `await runUntilSignal(logger, async () => { throw new Error('no luck') })`,
    )
    expect(await main.exited).toEqual({ code: 1, signal: null })
    expect(JSON.parse(main.lines[0] ?? '{}')).toMatchObject({
      level: 'error',
      process: 'test',
      message: 'cannot start',
      error: { message: 'no luck' },
    })
  })

  test('does not end with 0 when disposing fails', async () => {
    await using main = await runMain(startThing(`throw new Error('stuck')`))
    await main.waitForLine(/^started$/)
    main.signal('SIGTERM')
    expect((await main.exited).code).not.toBe(0)
    expect(main.lines.join('\n')).toContain('stuck')
  })

  test('with a configuration that cannot work lists every problem and ends with 64', async () => {
    await using main = await runMain(
      `orExit('data-plane', { ok: false, error: ['PORT: must be a whole number', 'TOKEN: Required'] })`,
    )
    expect(await main.exited).toEqual({ code: 64, signal: null })
    expect(main.lines).toEqual([
      'data-plane cannot start:',
      '  PORT: must be a whole number',
      '  TOKEN: Required',
    ])
  })
})

describe('a log line', () => {
  test('is one JSON object, without secrets, whatever brought them', async () => {
    await using main = await runMain(`
      import { Secret } from '${root}contracts/security/secret.ts'
      const headers = { authorization: 'Bearer canary-1', 'x-api-key': 'canary-2' }
      logger.info({ secret: new Secret('canary-3'), authorization: 'canary-4', request: headers, headers,
                    provider: { apiKey: 'canary-5', token: 'canary-6' }, error: new Error('seen') }, 'hello')
      logger.child({ node: 'n1' }).warn({}, 'from a child')
      logger.debug({}, 'below the level')
      process.exit(0)`)
    await main.exited
    await main.waitForLine(/from a child/)
    expect(main.lines.join('\n')).not.toContain('canary')
    // The last lines before an exit may change places: a thread writes them.
    const logged = main.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    const [child, hello] = logged.sort((a, b) => String(a['message']).localeCompare(String(b['message'])))
    expect(hello).toMatchObject({
      level: 'info',
      process: 'test',
      message: 'hello',
      secret: '[secret]',
      error: { message: 'seen' },
    })
    expect(String(hello?.['time'])).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
    expect(child).toMatchObject({ level: 'warn', node: 'n1', message: 'from a child' })
    expect(main.lines).toHaveLength(2)
  })
})
