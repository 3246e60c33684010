/**
 * `GET /v1/models` and one model by id: prepared when the snapshot was compiled, sent as it is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { readCredential } from '../admission/principal.ts'
import type { RoutingSnapshot } from '../routing/snapshot.ts'
import { Reply } from './reply.ts'
import type { InferencePorts } from './serve.ts'

type ModelPorts = Pick<InferencePorts, 'holder' | 'authenticator' | 'clock' | 'newRequestId' | 'onSettled'>

const JSON_TYPE = 'application/json; charset=utf-8'

export function serveModelList(ports: ModelPorts, request: IncomingMessage, response: ServerResponse): void {
  const reply = new Reply(response, ports.newRequestId())
  const caller = admit(ports, request)
  if (!caller.ok) reply.fail(caller.error)
  else {
    const { body, etag } = caller.value.models
    if (request.headers['if-none-match'] === etag) reply.notModified(etag)
    else reply.send(JSON_TYPE, body, ['etag', etag])
  }
  ports.onSettled(reply.status)
}

export function serveModel(
  ports: ModelPorts,
  request: IncomingMessage,
  id: string,
  response: ServerResponse,
): void {
  const reply = new Reply(response, ports.newRequestId())
  const caller = admit(ports, request)
  const model = caller.ok ? caller.value.models.byId.get(id) : undefined
  if (!caller.ok) reply.fail(caller.error)
  else if (model === undefined)
    reply.fail({ code: 'model_not_found', param: 'model', message: `The model '${id}' does not exist.` })
  else reply.send(JSON_TYPE, model)
  ports.onSettled(reply.status)
}

function admit(
  { holder, authenticator, clock }: ModelPorts,
  request: IncomingMessage,
): Result<RoutingSnapshot, Problem> {
  const snapshot = holder.current
  if (snapshot === null) return err({ code: 'not_ready' })
  const credential = readCredential(request)
  if (!credential.ok) return credential
  const principal = authenticator.authenticate(snapshot, credential.value, clock.now())
  return principal.ok ? ok(snapshot) : principal
}
