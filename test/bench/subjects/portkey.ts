/**
 * Portkey's gateway from npm: a peer, also in Node. Not a dependency of this project: it is installed into a
 * temporary folder when a run first needs it, at one version, without its install scripts.
 */
import { lstat, mkdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OwnedProcess } from '../../processes/owned.ts'
import { findProgram } from '../../services/find.ts'
import { freePort } from '../../services/server.ts'
import { startOn } from '../machine/placement.ts'
import { ANY_KEY, asItIs, type Started, type Surroundings } from './subject.ts'

const PACKAGE = '@portkey-ai/gateway'
const VERSION = '1.15.2'
const FOLDER = join(tmpdir(), 'apiproxy-bench-portkey')
const HOME = join(FOLDER, 'node_modules', PACKAGE)
const INSTALL_MS = 180_000

export async function startPortkey({ upstreamPort, placement, say }: Surroundings): Promise<Started> {
  const why = await makeReady(say)
  if (why !== null) return { kind: 'skipped', why }
  const port = await freePort()
  const args = [join(HOME, 'build/start-server.js'), `--port=${port}`, '--headless']
  // Its own default trusts local addresses only when it is told to.
  const env = {
    PATH: process.env['PATH'],
    HOME: FOLDER,
    NODE_ENV: 'production',
    TRUSTED_CUSTOM_HOSTS: '127.0.0.1',
  }
  const portkey = await startOn(placement.subjectCpu, process.execPath, args, { env, cwd: FOLDER })
  const headers = {
    ...ANY_KEY,
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
  }
  const subject = {
    name: 'portkey' as const,
    what: `${PACKAGE} ${VERSION} from npm, Node ${process.version}, headless`,
    port,
    pid: portkey.pid,
    headers,
    modelFor: asItIs,
    [Symbol.asyncDispose]: () => portkey[Symbol.asyncDispose](),
  }
  try {
    await portkey.waitForLine(/ready|running|listening|localhost/i)
  } catch (error) {
    await portkey[Symbol.asyncDispose]()
    return { kind: 'skipped', why: `${PACKAGE} does not start: ${firstLine(error)}` }
  }
  return { kind: 'started', subject }
}

/** @returns why it cannot be had, or null when it is there. */
async function makeReady(say: Surroundings['say']): Promise<string | null> {
  await mkdir(FOLDER, { recursive: true, mode: 0o700 })
  const { uid } = await lstat(FOLDER)
  // Whoever can write there decides what we run.
  if (uid !== process.getuid?.()) return `${FOLDER} belongs to somebody else`
  if ((await installedVersion()) === VERSION) return null
  if ((await findProgram(['npm'])) === null) return `${PACKAGE} is not installed and there is no npm`
  say(`installing ${PACKAGE}@${VERSION} into ${FOLDER}`)
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', '--prefix', FOLDER]
  const npm = await OwnedProcess.start('npm', ['install', ...flags, `${PACKAGE}@${VERSION}`], { cwd: FOLDER })
  const timer = setTimeout(() => npm.signal('SIGKILL'), INSTALL_MS)
  const { code } = await npm.exited
  clearTimeout(timer)
  if (code === 0 && (await installedVersion()) === VERSION) return null
  return `npm could not install ${PACKAGE}@${VERSION}: ${npm.lines.at(-1) ?? 'no word from it'}`
}

async function installedVersion(): Promise<unknown> {
  const text = await readFile(join(HOME, 'package.json'), 'utf8').catch(() => 'null')
  const manifest: unknown = JSON.parse(text)
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : null
}

const firstLine = (error: unknown): string => String(error).split('\n')[0] ?? ''
