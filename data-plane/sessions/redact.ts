/**
 * Takes what looks like a secret out of a text.
 *
 * Pure. Keys and tokens of known makers, private keys, passwords in addresses, and what is assigned to a name that
 * says it is secret: each goes whole, also where the text ends before it does. Linear by construction: openings and
 * ends are of bounded length, and what is between them is passed over once and not looked at again.
 */

export const REDACTED = '[redacted]'

type Span = readonly [from: number, to: number]
type Shape = Readonly<{
  /** Finds where one may begin. Like `ends`, it holds nothing without a bound. */
  opens: RegExp
  /** Finds what it ends before; nothing: it ends with the text. */
  ends: RegExp | ((text: string, from: number, opening: RegExpExecArray) => number)
  /** What of the text is secret, where `from` is behind the opening; null: nothing after all. */
  secretIn: (text: string, from: number, to: number, opening: RegExpExecArray) => Span | null
}>

/** What was passed over may hold the beginning of the next: as much of it is looked at again. */
const LONGEST_OPENING = 80

function without(text: string, { opens, ends, secretIn }: Shape): string {
  let rest = ''
  let done = 0
  opens.lastIndex = 0
  for (let opening = opens.exec(text); opening !== null; opening = opens.exec(text)) {
    const from = opens.lastIndex
    const to = ends instanceof RegExp ? find(ends, text, from) : ends(text, from, opening)
    const [first, last] = secretIn(text, from, to, opening) ?? [0, 0]
    if (last > done) {
      rest += text.slice(done, Math.max(done, first)) + REDACTED
      done = last
    }
    opens.lastIndex = Math.max(from, to - LONGEST_OPENING)
  }
  return done === 0 ? text : rest + text.slice(done)
}

function find(end: RegExp, text: string, from: number): number {
  end.lastIndex = from
  return end.exec(text)?.index ?? text.length
}

/** With its opening, if what comes behind that passes. */
const withOpening =
  (isSecret: (found: string) => boolean): Shape['secretIn'] =>
  (text, from, to, { index }) =>
    isSecret(text.slice(from, to)) ? [index, to] : null

/** Words, with whatever hyphens, are no tokens: those have digits or capitals, or are longer than words. */
const LONGER_THAN_WORDS = 32
const isToken = (found: string): boolean => found.length >= LONGER_THAN_WORDS || /\d|.[A-Z]/.test(found)
const token = (least: number): Shape['secretIn'] =>
  withOpening((found) => found.length >= least && isToken(found))

/** `header.claims.signature`, whose header is an object, `{"…`, in base64. */
function webToken(text: string, from: number, to: number): Span | null {
  const parts = text.slice(from - 3, to).split('.')
  let at = from - 3
  for (const [index, part] of parts.entries()) {
    const opening = part.indexOf('eyJ')
    const isHeader = opening !== -1 && part.length - opening > 10
    if (isHeader && (parts[index + 1]?.length ?? 0) > 7 && index + 2 < parts.length) return [at + opening, to]
    at += part.length + 1
  }
  return null
}

/** `name:password` in base64, as HTTP's oldest way to sign in sends it. */
function isNamePassword(found: string): boolean {
  const said = found.length % 4 === 0 ? Buffer.from(found, 'base64').toString('latin1') : ''
  return said.includes(':') && !/[^ -~\x80-\xff]/.test(said)
}

function passwordInAddress(text: string, from: number, to: number): Span | null {
  const host = text.slice(from, to).lastIndexOf('@')
  const colon = text.slice(from, to).indexOf(':')
  return colon !== -1 && colon + 1 < host ? [from + colon + 1, from + host] : null
}

const VALUE_END = /[\s"'`,;]|\\[nrt"'`]/g
const QUOTED_END: Readonly<Record<string, RegExp>> = { '"': /["\r\n]/g, "'": /['\r\n]/g, '`': /[`\r\n]/g }

/** Behind a quote the same quote, as deep in strings of strings as that is, or the end of the line. */
function valueEnd(text: string, from: number, { groups = {} }: RegExpExecArray): number {
  const { quote = '', escapes = '' } = groups
  const end = QUOTED_END[quote]
  if (end === undefined) return find(VALUE_END, text, from)
  // A quote in a string is escaped once, one in a string of that three times: what ends it is so as often as it was.
  const period = 2 * (escapes.length + 1)
  let at = find(end, text, from)
  while (text[at] === quote) {
    let start = at
    while (start > from && text[start - 1] === '\\') start -= 1
    if ((at - start) % period === escapes.length) return at - escapes.length
    at = find(end, text, at + 1)
  }
  return at
}

const NOT_SECRET =
  /^(?:true|false|null|none|nil|undefined|string|required|optional|\*{1,64}|\$\{?[A-Z_]{1,64}\}?)$/i
const CALL = /^[A-Za-z_.]{1,64}\(/
const LINK = /^https?:\/\//i
const A_WORD = /^[a-z'’-]{1,64}[.!?]?$/i
const ANOTHER_WORD = /^ [a-z(]/i

const LEAST_VALUE = 4

/** @param isSecret asked of what stands there without quotes. */
const value =
  (isSecret: (found: string) => boolean): Shape['secretIn'] =>
  (text, from, to, { 0: opening, groups = {} }) => {
    const found = text.slice(from, to)
    if (found.length < LEAST_VALUE || NOT_SECRET.test(found)) return null
    if (groups['quote'] !== undefined) return [from, to]
    if (!isSecret(found)) return null
    // "The secret: be kind to everybody"
    const goesOn = A_WORD.test(found) && ANOTHER_WORD.test(text.slice(to, to + 2))
    const isProse = /\s$/.test(opening) && (goesOn || LINK.test(found))
    return isProse || CALL.test(found) ? null : [from, to]
  }

/** A name, and the quotes and signs up to what is assigned to it; `escapes` and `quote` are that's own. */
const assigned = (names: string, flags: string): RegExp =>
  new RegExp(
    `(?:${names})` +
      String.raw`\\{0,15}["'${'`'}]?\]?[ \t]{0,3}(?:=>|:=|={1,3}|:)[ \t]{0,3}(?:(?<escapes>\\{0,15})(?<quote>["'${'`'}]))?`,
    flags,
  )
const SECRET_NAMES = [
  'passw(?:or)?d',
  'passphrase',
  '(?<=[a-z0-9]_)p(?:ass|wd)',
  'secret',
  'credentials?',
  '(?:api|access|account|encryption|master|private|secret|signing)[-_]?key(?:[-_]?base)?',
  '(?:access|api|auth|bearer|bot|id|refresh|session)[-_]?token',
].join('|')

/** Where a word begins; the letter of an escape, in JSON inside of JSON, is none of it. */
const WORD = String.raw`(?:\b|(?<=\\[nrt]))`
const TOKEN_END = /[^A-Za-z0-9_-]/g
const CREDENTIALS_END = /[^A-Za-z0-9._~+/=-]/g
const KEY_END = /(?<=-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)/g

export const SHAPES: readonly Shape[] = [
  {
    opens: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g,
    ends: KEY_END,
    secretIn: withOpening(() => true),
  },
  // OpenAI, Anthropic, OpenRouter, Stripe, and ours; GitHub, GitLab, Slack, Hugging Face, xAI, Groq, npm.
  {
    opens: new RegExp(
      `${WORD}(?:[srpa]k[-_]|gh[opsur]_|github_pat_|glpat-|xox[abeprs]-|hf_|xai-|gsk_|npm_)`,
      'g',
    ),
    ends: TOKEN_END,
    secretIn: token(16),
  },
  // Google, and AWS.
  { opens: new RegExp(`${WORD}AIza`, 'g'), ends: TOKEN_END, secretIn: token(30) },
  {
    opens: new RegExp(`${WORD}A[KS]IA(?=[A-Z0-9]{16}(?![A-Za-z0-9_]))`, 'g'),
    ends: TOKEN_END,
    secretIn: withOpening(() => true),
  },
  { opens: new RegExp(`${WORD}eyJ`, 'g'), ends: /[^A-Za-z0-9_.-]/g, secretIn: webToken },
  { opens: new RegExp(`${WORD}bearer\\s{1,4}`, 'gi'), ends: CREDENTIALS_END, secretIn: token(16) },
  {
    opens: new RegExp(`${WORD}basic\\s{1,4}`, 'gi'),
    ends: CREDENTIALS_END,
    secretIn: withOpening(isNamePassword),
  },
  { opens: /:\/\//g, ends: /[\s"'`<>\\/]/g, secretIn: passwordInAddress },
  { opens: assigned(SECRET_NAMES, 'gi'), ends: valueEnd, secretIn: value(() => true) },
  // GITHUB_TOKEN=…, SERVICE_KEY=…; the names in small letters are of much else.
  { opens: assigned('(?<=[A-Z0-9]_)(?:TOKEN|AUTH)', 'g'), ends: valueEnd, secretIn: value(() => true) },
  {
    opens: assigned('(?<=[A-Z0-9]_)KEY', 'g'),
    ends: valueEnd,
    secretIn: value((found) => found.length >= 16 && isToken(found)),
  },
]

export const redact = (text: string): string => SHAPES.reduce(without, text)
