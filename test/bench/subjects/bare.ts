/**
 * The bare proxy in Node: what everything else is compared with.
 */
import { join } from 'node:path'
import { freePort } from '../../services/server.ts'
import { startOn } from '../machine/placement.ts'
import { ANY_KEY, asItIs, type Started, type Surroundings } from './subject.ts'

export async function startBare({ upstreamPort, placement }: Surroundings): Promise<Started> {
  const port = await freePort()
  const main = join(import.meta.dirname, '../bare-proxy.ts')
  const process_ = await startOn(placement.subjectCpu, process.execPath, [
    main,
    String(port),
    String(upstreamPort),
  ])
  await process_.waitForLine(/^bare proxy on/)
  const subject = {
    name: 'bare' as const,
    what: `node:http in, undici dispatch out, Node ${process.version}`,
    port,
    pid: process_.pid,
    headers: ANY_KEY,
    modelFor: asItIs,
    [Symbol.asyncDispose]: () => process_[Symbol.asyncDispose](),
  }
  return { kind: 'started', subject }
}
