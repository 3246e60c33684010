/**
 * Where a test's Postgres, NATS or Redis comes from, in order: an address given in the environment, Docker,
 * a program on this machine, apt-get as root. Otherwise one error that says what to do.
 */
import { canInstall, installPackages, PACKAGES } from './apt.ts'
import { dockerAnswers, startContainer } from './docker.ts'
import { localProgram, type ServiceName } from './programs.ts'
import { startServer, type Server, type ServerPlace } from './server.ts'

export type Acquired = Readonly<{
  url: string
  how: 'given' | 'docker' | 'program'
  stop: () => Promise<void>
}>

/** The steps as functions, so that their order can be tested on a machine that has everything or nothing. */
export type Sources = Readonly<{
  given: (name: ServiceName) => string | undefined
  dockerAnswers: () => Promise<boolean>
  startContainer: (name: ServiceName, place: ServerPlace) => Promise<Server>
  /** @returns null when the machine has no such program. */
  startProgram: (name: ServiceName, place: ServerPlace) => Promise<Server | null>
  canInstall: () => Promise<boolean>
  install: (name: ServiceName) => Promise<void>
}>

const SERVICES: readonly ServiceName[] = ['postgres', 'nats', 'redis']
const urlVariable = (name: ServiceName): string => `TEST_${name.toUpperCase()}_URL`

/** For all test files together. */
export async function acquire(name: ServiceName, sources: Sources = thisMachine): Promise<Acquired> {
  const url = sources.given(name)
  if (url !== undefined && url !== '') return { url, how: 'given', stop: async () => undefined }
  if (await sources.dockerAnswers()) {
    const server = await sources.startContainer(name, {})
    return { url: server.url, how: 'docker', stop: () => server.stop() }
  }
  const server = await programOrInstall(name, {}, sources)
  return { url: server.url, how: 'program', stop: () => server.stop() }
}

/**
 * For one test alone, which may kill it. An address in the environment is of no use here, and a program
 * starts a hundred times faster than a container, so programs come first.
 */
export async function acquirePrivate(
  name: ServiceName,
  place: ServerPlace,
  sources: Sources = thisMachine,
): Promise<Server> {
  const server = await sources.startProgram(name, place)
  if (server !== null) return server
  return (await sources.dockerAnswers())
    ? sources.startContainer(name, place)
    : programOrInstall(name, place, sources)
}

async function programOrInstall(name: ServiceName, place: ServerPlace, sources: Sources): Promise<Server> {
  const found = await sources.startProgram(name, place)
  if (found !== null) return found
  if (await sources.canInstall()) {
    await sources.install(name)
    const installed = await sources.startProgram(name, place)
    if (installed !== null) return installed
  }
  throw new Error(
    `no ${name} to test against. Set ${urlVariable(name)}, start Docker, or install a server ` +
      `(Debian, Ubuntu: apt-get install ${Object.values(PACKAGES).join(' ')}).`,
  )
}

let installing: Promise<void> | undefined

/** Everything that is missing at once: one apt-get run instead of three that wait for each other. */
async function installMissing(): Promise<void> {
  const missing: string[] = []
  for (const name of SERVICES) {
    const given = process.env[urlVariable(name)]
    if ((given === undefined || given === '') && (await localProgram(name)) === null)
      missing.push(PACKAGES[name])
  }
  await installPackages(missing)
}

const thisMachine: Sources = {
  given: (name) => process.env[urlVariable(name)],
  dockerAnswers: () => dockerAnswers(),
  startContainer,
  startProgram: async (name, place) => {
    const program = await localProgram(name)
    return program === null ? null : startServer(program, place)
  },
  canInstall,
  install: () => (installing ??= installMissing()),
}
