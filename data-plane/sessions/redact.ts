/**
 * Takes what looks like a secret out of a text.
 *
 * Pure. Shapes that keys and tokens of known makers have, private keys, passwords in addresses, and whatever stands
 * behind a name that says what it is: what is found is replaced whole. Each shape is bounded or ends where its text
 * does, so that no text takes longer than its length.
 */

/** In JSON that is told in JSON quotes are escaped, once for each time. */
const QUOTE = String.raw`\\{0,4}["']`
/** Ends of names whose values are nobody else's: `DB_PASSWORD`, `clientSecret`, `x-api-key`. */
const NAME =
  '(?:password|passwd|passphrase|secret|(?:api|access|secret|private)[-_]?key|(?:access|auth|refresh)[-_]?token)'
/** As variables of an environment are called, where more is a secret than elsewhere. */
const VARIABLE = '[A-Z][A-Z0-9_]{0,60}_(?:TOKEN|KEY|PASS|PWD|CREDENTIALS?)'
const IS = String.raw`(?:${QUOTE})?\s{0,3}[:=]\s{0,3}`
/** Up to its quote, spaces and commas among it; bare, up to what would end it. */
const QUOTED = String.raw`(?:[^"'\\\r\n]|\\(?![\\"'])){4,300}`
const BARE = String.raw`(?:[^\s"',;\\]|\\(?![\\"'])){6,300}`

const behind = (name: string, opening: string, value: string, flags: string): RegExp =>
  new RegExp(`(?<=${name}${IS}${opening})${value}`, flags)

const SHAPES: readonly RegExp[] = [
  // A key that is longer than what is looked through has no end.
  /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g,
  // OpenAI, Anthropic, OpenRouter, Stripe, and ours.
  /\b(?:sk|rk|pk|ak)[-_][A-Za-z0-9_-]{16,300}/g,
  // Google, AWS, GitHub, GitLab, Slack, Hugging Face, xAI, Groq, npm.
  /\bAIza[A-Za-z0-9_-]{30,60}/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\b(?:gh[opsur]_|github_pat_|glpat-|xox[abeprs]-|hf_|xai-|gsk_|npm_)[A-Za-z0-9_-]{16,300}/g,
  // JSON Web Tokens, and whatever is sent as a bearer or as a name with a password.
  /\beyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,4000}/g,
  /\b[Bb]earer\s{1,4}[A-Za-z0-9._~+/=-]{16,2000}/g,
  behind('authorization', `(?:${QUOTE})?`, String.raw`basic\s{1,4}[A-Za-z0-9+/=_-]{4,2000}`, 'gi'),
  // https://user:password@host
  /(?<=:\/\/[^\s:/@]{1,100}:)[^\s:/@]{1,200}(?=@)/g,
  // password = "…"
  behind(NAME, QUOTE, QUOTED, 'gi'),
  behind(NAME, '', BARE, 'gi'),
  behind(VARIABLE, QUOTE, QUOTED, 'g'),
  behind(VARIABLE, '', BARE, 'g'),
]

export const REDACTED = '[redacted]'

export const redact = (text: string): string =>
  SHAPES.reduce((rest, shape) => rest.replace(shape, REDACTED), text)
