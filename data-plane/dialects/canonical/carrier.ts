/**
 * Opaque state of one vendor's model (signatures, encrypted reasoning), on its way through another vendor's
 * format.
 *
 * Pure. State goes back only to where it came from. For the client it is sealed into
 * `apx1.<key id>.<base64url>` and stands where its format keeps such state; a reader opens it again. State of
 * the client's own dialect that was never sealed came from a native answer of unknown provider.
 */
import { isObject, stringOf } from './json.ts'
import { DIALECTS, type DialectName } from './request.ts'

export type Carrier = Readonly<{
  /** Whose words `data` is in. */
  dialect: DialectName
  /** Provider that made it; null: not known (it came unsealed). */
  provider: string | null
  /**
   * The opaque text: Anthropic `signature` or redacted `data`, Responses `encrypted_content`, Gemini
   * `thoughtSignature`, chat `reasoning_details[].data` or `.signature`.
   */
  data: string
  /** What it is there: `signature`, `redacted`, `encrypted`, `thought`, … ; free to each dialect. */
  form: string
  /** Upstream id of the item, where the format wants it back (Responses `rs_…`). */
  id?: string
  /** The visible text it belongs to, when the client's format cannot keep it word for word. */
  text?: string
  /**
   * `own`: belongs to the reasoning it stands with. `next`: belongs to the part after it, in a format that
   * has no place on that part itself. `previous`: to the part before it, where it came too late to stand in
   * front (Anthropic's streams; only its own reader meets it).
   */
  of: 'own' | 'next' | 'previous'
}>

export const SEALED_PREFIX = 'apx1.'

/** Seals and opens carriers; the implementation holds the key. */
export type Sealer = Readonly<{
  seal: (carrier: Carrier) => string
  /** @returns null for what is not ours, or was sealed under a key we do not have. */
  open: (text: string) => Carrier | null
}>

/** May state go back to a target? To its own dialect, and to its own provider where that is known. */
export const fits = (carrier: Carrier, dialect: DialectName, provider: string): boolean =>
  carrier.dialect === dialect && (carrier.provider === null || carrier.provider === provider)

/** What a reader finds in a place of opaque state: a sealed carrier, or the dialect's own. */
export function readCarrier(
  text: string,
  sealer: Sealer,
  native: Omit<Carrier, 'data' | 'provider'>,
): Carrier | null {
  if (text.startsWith(SEALED_PREFIX)) return sealer.open(text)
  return { ...native, provider: null, data: text }
}

/** What a writer puts into such a place: its own state as it is, any other sealed. */
export const writeCarrier = (carrier: Carrier, dialect: DialectName, sealer: Sealer): string =>
  carrier.dialect === dialect && carrier.of === 'own' ? carrier.data : sealer.seal(carrier)

/** Sealed by ourselves, maybe by another release: what is missing makes it useless, not dangerous. */
export function carrierOf(value: unknown): Carrier | null {
  if (!isObject(value)) return null
  const dialect = DIALECTS.find((name): name is DialectName => name === value['dialect'])
  const data = stringOf(value['data'])
  const form = stringOf(value['form'])
  if (dialect === undefined || data === undefined || form === undefined) return null
  const id = stringOf(value['id'])
  const text = stringOf(value['text'])
  return {
    dialect,
    provider: stringOf(value['provider']) ?? null,
    data,
    form,
    of: value['of'] === 'next' || value['of'] === 'previous' ? value['of'] : 'own',
    ...(id === undefined ? {} : { id }),
    ...(text === undefined ? {} : { text }),
  }
}
