/**
 * Opens sockets to providers, and to no address a provider may not have.
 *
 * Checks the host before connecting (IP literals never reach a lookup), every looked-up address, and the
 * address really connected to.
 */
import { lookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { buildConnector } from 'undici'
import { isPrivateAddress, isPrivateHost } from './egress.ts'

/** The provider's name resolved to, or its socket reached, an address it may not have. */
export class EgressRefused extends Error {
  override readonly name = 'EgressRefused'
  readonly code = 'APIPROXY_EGRESS'
}

export type Connector = buildConnector.connector

/** @param timeoutMs for TCP and TLS together. */
export function guardedConnector(allowPrivate: boolean, timeoutMs: number): Connector {
  const options = { timeout: timeoutMs, allowH2: false, keepAlive: true }
  if (allowPrivate) return buildConnector(options)
  const connect = buildConnector({ ...options, lookup: publicLookup })
  return (target, callback) => {
    if (isPrivateHost(target.hostname)) {
      callback(new EgressRefused('the provider’s host is not on the public internet'), null)
      return
    }
    connect(target, (...[error, socket]: buildConnector.CallbackArgs) => {
      if (error !== null) callback(error, null)
      else if (isPrivateAddress(socket.remoteAddress ?? '')) {
        socket.destroy()
        callback(new EgressRefused('connected to an address that is not on the public internet'), null)
      } else callback(null, socket)
    })
  }
}

function publicLookup(
  hostname: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void,
): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '')
    const allowed = addresses.filter(({ address }) => !isPrivateAddress(address))
    const first = allowed[0]
    if (first === undefined)
      return callback(new EgressRefused('the provider’s name has no public address'), '')
    if (options.all === true) callback(null, allowed)
    else callback(null, first.address, first.family)
  })
}
