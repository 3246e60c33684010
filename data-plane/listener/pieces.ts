/**
 * Bytes as they come from a connection.
 */

/** Frees a piece's bytes at once. Node gives each piece bytes of its own. */
export function letGo({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
