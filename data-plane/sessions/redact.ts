/**
 * Takes what looks like a secret out of a text.
 *
 * Pure. Shapes that keys and tokens of known makers have, private keys, and passwords in addresses: what is
 * found is replaced whole. Each shape is bounded, so that no text takes longer than its length.
 */
const SHAPES: readonly RegExp[] = [
  /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{0,10000}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g,
  // OpenAI, Anthropic, OpenRouter, Stripe, and ours.
  /\b(?:sk|rk|pk|ak)[-_][A-Za-z0-9_-]{16,300}/g,
  // Google, AWS, GitHub, GitLab, Slack, Hugging Face, xAI, Groq, npm.
  /\bAIza[A-Za-z0-9_-]{30,60}/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\b(?:gh[opsur]_|github_pat_|glpat-|xox[abeprs]-|hf_|xai-|gsk_|npm_)[A-Za-z0-9_-]{16,300}/g,
  // JSON Web Tokens, and whatever is sent as a bearer.
  /\beyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,4000}/g,
  /\b[Bb]earer\s{1,4}[A-Za-z0-9._~+/=-]{16,2000}/g,
  // https://user:password@host
  /(?<=:\/\/[^\s:/@]{1,100}:)[^\s:/@]{1,200}(?=@)/g,
  // password = "…"
  /(?<=\b(?:password|passwd|secret|api[-_]?key|access[-_]?token)["']?\s{0,3}[:=]\s{0,3}["']?)[^\s"',;]{6,300}/gi,
]

export const REDACTED = '[redacted]'

export const redact = (text: string): string =>
  SHAPES.reduce((rest, shape) => rest.replace(shape, REDACTED), text)
