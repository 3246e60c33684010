import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dockerAddresses, dockerAnswers, engineAnswers } from './docker.ts'

let folder: string
const servers: Server[] = []

/** Something on a socket that answers `/_ping` with a status, or not at all. */
async function engine(name: string, status: number | null): Promise<string> {
  const server = createServer((request, response) => {
    if (status !== null) response.writeHead(request.url === '/_ping' ? status : 404).end('OK')
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(join(folder, name), resolve))
  return `unix://${join(folder, name)}`
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'apiproxy-docker-'))
})
afterAll(async () => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  await rm(folder, { recursive: true })
})

describe('a Docker engine', () => {
  test('answers, or is not there', async () => {
    expect(await engineAnswers(await engine('good', 200))).toBe(true)
    expect(await engineAnswers(await engine('sick', 500))).toBe(false)
    expect(await engineAnswers(await engine('silent', null))).toBe(false)
    expect(await engineAnswers(`unix://${folder}/nobody`)).toBe(false)
    expect(await engineAnswers('tcp://127.0.0.1:1')).toBe(false)
    expect(await engineAnswers('ssh://user@host')).toBe(false)
    expect(await engineAnswers('nonsense')).toBe(false)
  })

  test('is looked for at every usual place, but only there where DOCKER_HOST says so', async () => {
    expect(dockerAddresses({ DOCKER_HOST: 'tcp://ci:2375' })).toEqual(['tcp://ci:2375'])
    expect(dockerAddresses({ DOCKER_HOST: '', XDG_RUNTIME_DIR: '/run/user/1' })).toEqual([
      'unix:///var/run/docker.sock',
      'unix:///run/user/1/docker.sock',
      expect.stringMatching(/^unix:\/\/.*\/\.docker\/run\/docker\.sock$/),
    ])
    const answering = await engine('second', 200)
    expect(await dockerAnswers([`unix://${folder}/nobody`, answering])).toBe(true)
    expect(await dockerAnswers([`unix://${folder}/nobody`])).toBe(false)
  })
})
