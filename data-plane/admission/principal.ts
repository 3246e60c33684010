/**
 * Who is calling: the credential of a request, looked up in the snapshot. No I/O; nothing outlives the keys
 * it was read from.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { clientKeyDigest } from '#contracts/security/master-key.ts'
import type { ClientExchange } from '../listener/client-exchange.ts'
import type { RequestHeaders } from '../http/request-headers.ts'
import type { Principal, RoutingSnapshot } from '../routing/snapshot.ts'

type Asking = Pick<ClientExchange, 'headers' | 'url'>

/**
 * Reads the client's key from whichever header its SDK uses. A header sent twice is refused, and so is a
 * second `Host`: two readers could take a different one. Of two kinds that disagree the key header wins, as Anthropic rules it.
 */
export function readCredential({ headers, url }: Asking): Result<string, Problem> {
  const key = keyOf(headers)
  const bearer = headers.get('authorization')
  const isTwice = key === AMBIGUOUS || (bearer !== undefined && headers.isRepeated('authorization'))
  if (isTwice) return err({ code: 'ambiguous_credentials' })
  if (headers.isRepeated('host'))
    return err({ code: 'malformed_request', message: 'The request carries more than one Host header.' })
  if (key !== undefined && key !== '') return ok(key)
  if (bearer === undefined) {
    const inAddress = keyInAddress(url)
    return inAddress === null ? err({ code: 'missing_api_key' }) : ok(inAddress)
  }
  const token = bearer.slice(0, 7).toLowerCase() === 'bearer ' ? bearer.slice(7).trim() : ''
  return token === '' ? err({ code: 'missing_api_key' }) : ok(token)
}

const AMBIGUOUS = Symbol('more than one key')

function keyOf(headers: RequestHeaders): string | undefined | typeof AMBIGUOUS {
  let key: string | undefined
  for (const name of KEY_HEADERS) {
    const one = headers.get(name)
    if (one === undefined) continue
    if (key !== undefined || headers.isRepeated(name)) return AMBIGUOUS
    key = one
  }
  return key
}

const KEY_HEADERS = ['x-api-key', 'api-key', 'x-goog-api-key'] as const

/** Google's clients may put it into the query, as `?key=`. Only asked when no header has one. */
function keyInAddress(url: string): string | null {
  const query = url.indexOf('?')
  if (query === -1) return null
  const key = new URLSearchParams(url.slice(query + 1)).get('key')
  return key === null || key === '' ? null : key
}

/** Tokens remembered at most; then the memory starts over. */
const REMEMBERED = 10_000

/** Looks tokens up in the keys of the snapshot in force. */
export class Authenticator {
  readonly #pepper: string
  #keys: RoutingSnapshot['keys'] | null = null
  /** Whole tokens seen since the keys last changed, so that a busy client is not hashed each time. */
  readonly #seen = new Map<string, Principal>()

  constructor(pepper: string) {
    this.#pepper = pepper
  }

  /** @param now epoch milliseconds. */
  authenticate(snapshot: RoutingSnapshot, token: string, now: number): Result<Principal, Problem> {
    if (snapshot.keys !== this.#keys || this.#seen.size > REMEMBERED) {
      this.#keys = snapshot.keys
      this.#seen.clear()
    }
    const principal = this.#seen.get(token) ?? this.#lookUp(snapshot, token)
    if (principal === undefined) return err({ code: 'invalid_api_key' })
    if (principal.state === 'revoked') return err({ code: 'revoked_api_key' })
    if (principal.state === 'suspended') return err({ code: 'suspended_api_key' })
    return principal.expiresAt > now ? ok(principal) : err({ code: 'expired_api_key' })
  }

  #lookUp(snapshot: RoutingSnapshot, token: string): Principal | undefined {
    const principal = snapshot.keys.get(clientKeyDigest(this.#pepper, token))
    // A copy: V8 cuts a token out of the text of a request's whole head, and would keep that with it.
    if (principal !== undefined) this.#seen.set(token.split('').join(''), principal)
    return principal
  }
}
