/**
 * Secrets that are planted, to be recognised wherever they turn up.
 */
import { randomBytes } from 'node:crypto'

export const KINDS = [
  'provider key',
  'client key',
  'admin token',
  'master key',
  'prompt',
  'answer',
  // A secret of the client's own that it says to the model.
  'told secret',
] as const
export type Kind = (typeof KINDS)[number]

export type Canary = Readonly<{
  kind: Kind
  /** Says where it was planted: of a provider's key its provider, of an issued key the call that made it. */
  name: string
  secret: string | Buffer
}>

/** Shapes differ: a net that knows only the usual beginning of keys must not be enough. */
const BEGINNINGS: Readonly<Record<Kind, readonly string[]>> = {
  'provider key': ['sk-', 'cnryprovider', 'AIza'],
  'client key': ['sk-cnryclient'],
  'admin token': ['cnryadmin'],
  'master key': [''],
  prompt: ['cnryprompt'],
  answer: ['cnryanswer'],
  'told secret': ['sk-cnrytold-', 'AIza', 'ghp_'],
}

export class Canaries {
  readonly all: Canary[] = []

  /** @returns a new secret text of the kind. */
  plant(kind: Kind, name: string): string {
    const beginnings = BEGINNINGS[kind]
    const beginning = beginnings[this.all.length % beginnings.length] ?? ''
    const secret = `${beginning}${randomBytes(16).toString('hex')}`
    this.all.push({ kind, name, secret })
    return secret
  }

  /** One that somebody else made. */
  add(kind: Kind, name: string, secret: string | Buffer): void {
    if (secret.length < 16) throw new Error(`${name} is too short to be told from others`)
    this.all.push({ kind, name, secret })
  }
}
