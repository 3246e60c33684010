/**
 * How requests end that have no whole answer.
 *
 * Pure.
 */

/** Why a request has no answer, or only a part of one, where it was not the system that said so. */
export const ENDED = {
  /** The other side closed the connection before the end. */
  closed: 'UPSTREAM_CLOSED',
  /** There is no connection, and nobody said why. */
  unreached: 'UPSTREAM_UNREACHED',
  /** What came is no HTTP/1.1, or an answer to something else. */
  malformed: 'UPSTREAM_MALFORMED',
  /** Silence within an answer for longer than was allowed. */
  silent: 'UPSTREAM_SILENT',
  /** The request cannot be spelled. */
  unsendable: 'REQUEST_UNSENDABLE',
  /** Nothing is sent there any more. */
  gone: 'ORIGIN_GONE',
  /** Whoever was told could not make anything of it. */
  unreadable: 'ANSWER_UNREADABLE',
} as const
