import { describe, expect, test } from 'vitest'
import { acquire, acquirePrivate, type Sources } from './acquire.ts'
import type { Server } from './server.ts'

type Machine = Readonly<{
  given?: string
  docker?: boolean
  program?: boolean
  apt?: boolean
  installs?: boolean
}>

/** A machine that has only what it is given, and the steps that were taken on it. */
function onMachine(machine: Machine): { sources: Sources; steps: string[] } {
  const steps: string[] = []
  let program = machine.program === true
  const server = (url: string): Server => ({
    url,
    port: 1,
    pid: 1,
    kill: async () => undefined,
    restart: async () => undefined,
    stop: async () => void steps.push(`stop ${url}`),
    [Symbol.asyncDispose]: async () => undefined,
  })
  const sources: Sources = {
    given: () => machine.given,
    dockerAnswers: async () => {
      steps.push('docker?')
      return machine.docker === true
    },
    startContainer: async () => server('container'),
    startProgram: async () => {
      steps.push('program?')
      return program ? server('program') : null
    },
    canInstall: async () => {
      steps.push('apt?')
      return machine.apt === true
    },
    install: async () => {
      steps.push('install')
      program = machine.installs !== false
    },
  }
  return { sources, steps }
}

describe('a shared server', () => {
  test('is the one named in the environment, which is left alone afterwards', async () => {
    const { sources, steps } = onMachine({ given: 'nats://ci:4222', docker: true, program: true })
    const acquired = await acquire('nats', sources)
    expect(acquired).toMatchObject({ url: 'nats://ci:4222', how: 'given' })
    await acquired.stop()
    expect(steps).toEqual([])
  })

  test('is a container where Docker answers', async () => {
    const { sources, steps } = onMachine({ given: '', docker: true, program: true })
    const acquired = await acquire('nats', sources)
    expect(acquired).toMatchObject({ url: 'container', how: 'docker' })
    await acquired.stop()
    expect(steps).toEqual(['docker?', 'stop container'])
  })

  test('is a program of this machine where Docker does not answer', async () => {
    const { sources, steps } = onMachine({ program: true, apt: true })
    expect(await acquire('nats', sources)).toMatchObject({ url: 'program', how: 'program' })
    expect(steps).toEqual(['docker?', 'program?'])
  })

  test('is installed where nothing is there and we may', async () => {
    const { sources, steps } = onMachine({ apt: true })
    expect(await acquire('nats', sources)).toMatchObject({ url: 'program' })
    expect(steps).toEqual(['docker?', 'program?', 'apt?', 'install', 'program?'])
  })

  test.each<Machine>([{}, { apt: true, installs: false }])(
    'that cannot be had on %j is asked for in one clear error',
    async (machine) => {
      const { sources } = onMachine(machine)
      await expect(acquire('redis', sources)).rejects.toThrow(
        /no redis to test against. Set TEST_REDIS_URL, start Docker, or .*apt-get install postgresql nats-server redis-server/,
      )
    },
  )
})

describe('a private server', () => {
  test('is a program before it is a container, and never the one of the environment', async () => {
    const { sources, steps } = onMachine({ given: 'nats://ci:4222', docker: true, program: true })
    expect((await acquirePrivate('nats', {}, sources)).url).toBe('program')
    expect(steps).toEqual(['program?'])
  })

  test('is a container before anything is installed', async () => {
    const { sources } = onMachine({ docker: true, apt: true })
    expect((await acquirePrivate('nats', {}, sources)).url).toBe('container')
  })

  test('is installed when nothing else is left', async () => {
    const { sources, steps } = onMachine({ apt: true })
    expect((await acquirePrivate('nats', {}, sources)).url).toBe('program')
    expect(steps).toContain('install')
  })
})
