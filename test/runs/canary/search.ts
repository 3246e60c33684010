/**
 * Finds a secret in bytes, however it was written down: as it is, escaped, or encoded.
 */
export type Needle = Readonly<{ encoding: string; bytes: Buffer }>

/** @returns the secret in every encoding it is looked for in; those that come to the same bytes once. */
export function needlesOf(secret: string | Buffer): readonly Needle[] {
  const raw = Buffer.from(secret)
  const hex = raw.toString('hex')
  const written = [
    { encoding: 'raw', bytes: raw },
    ...(typeof secret === 'string' ? textNeedles(secret) : []),
    { encoding: 'hex', bytes: Buffer.from(hex) },
    { encoding: 'hex', bytes: Buffer.from(hex.toUpperCase()) },
    ...[0, 1, 2].flatMap((before) => base64Needles(raw, before)),
  ]
  const seen = new Set<string>()
  return written.filter(({ bytes }) => {
    const key = bytes.toString('latin1')
    return !seen.has(key) && seen.add(key)
  })
}

function textNeedles(secret: string): readonly Needle[] {
  const json = JSON.stringify(secret).slice(1, -1)
  const ascii = json.replaceAll(/[^ -~]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const url = encodeURIComponent(secret)
  return [
    { encoding: 'JSON-escaped', bytes: Buffer.from(json) },
    { encoding: 'JSON-escaped', bytes: Buffer.from(ascii) },
    { encoding: 'URL-encoded', bytes: Buffer.from(url) },
    { encoding: 'URL-encoded', bytes: Buffer.from(url.replaceAll('%20', '+')) },
  ]
}

/**
 * Base64 writes three bytes as four characters, so what stands in the middle of a text looks different with
 * the number of bytes before it. Characters that hold bits of the neighbours are left away.
 */
function base64Needles(raw: Buffer, before: number): readonly Needle[] {
  const first = Math.ceil((before * 8) / 6)
  const last = Math.floor(((before + raw.length) * 8) / 6)
  const text = Buffer.concat([Buffer.alloc(before), raw])
    .toString('base64')
    .slice(first, last)
  const encoding = `base64 +${before}`
  return [
    { encoding, bytes: Buffer.from(text) },
    { encoding, bytes: Buffer.from(text.replaceAll('+', '-').replaceAll('/', '_')) },
  ]
}

/** @returns the encodings of the needles that are in there, one for each time. */
export function find(needles: readonly Needle[], hay: Buffer): readonly string[] {
  const found: string[] = []
  for (const { encoding, bytes } of needles) {
    for (let at = hay.indexOf(bytes); at >= 0; at = hay.indexOf(bytes, at + bytes.length))
      found.push(encoding)
  }
  return found
}
