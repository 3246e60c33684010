/**
 * A fake provider as a process of its own: `node test/fakes/provider-main.ts --port 9000`.
 *
 * Says `provider on <port>` when it listens. `POST /__script` takes a script, `GET /__stats` tells what
 * happened so far; both live on a second port, `control on <port>`, which `--control-port` fixes.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import type { Behaviour, Rule } from './behaviour.ts'
import { FakeProvider } from './provider.ts'

/** What is left out stays as it is; `reset` is done first. */
export type Script = Readonly<{
  reset?: boolean
  default?: Behaviour
  next?: readonly Behaviour[]
  rules?: readonly Rule[]
  models?: readonly string[]
  listening?: boolean
  resetOnAccept?: boolean
}>

const { values } = parseArgs({
  options: { port: { type: 'string' }, 'control-port': { type: 'string', default: '0' } },
})
const provider = await FakeProvider.start(values.port === undefined ? undefined : Number(values.port))

const control = createServer((request, response) => {
  if (request.method === 'GET' && request.url === '/__stats') {
    response.end(JSON.stringify({ ...provider.stats, connections: provider.connections }))
    return
  }
  if (request.method !== 'POST' || request.url !== '/__script') {
    response.writeHead(404).end()
    return
  }
  text(request)
    .then((body) => apply(JSON.parse(body) as Script))
    .then(
      () => response.writeHead(204).end(),
      (error: unknown) => response.writeHead(400).end(String(error)),
    )
})

async function apply(script: Script): Promise<void> {
  if (script.reset === true) provider.reset().resetOnAccept(false)
  if (script.default !== undefined) provider.byDefault(script.default)
  for (const { match, behaviour } of script.rules ?? []) provider.when(match, behaviour)
  provider.next(...(script.next ?? []))
  if (script.models !== undefined) provider.models = script.models
  if (script.resetOnAccept !== undefined) provider.resetOnAccept(script.resetOnAccept)
  if (script.listening === true) await provider.listen()
  if (script.listening === false) await provider.stopListening()
}

control.listen(Number(values['control-port']), '127.0.0.1', () => {
  process.stdout.write(`control on ${(control.address() as AddressInfo).port}\n`)
  process.stdout.write(`provider on ${provider.port}\n`)
})
process.on('SIGTERM', () => process.exit(0))
