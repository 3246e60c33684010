/**
 * Where a provider of each kind takes chat requests, from the base URL the operator wrote.
 *
 * Pure. A path prefix and a query string of the base URL are kept: some hosts route or version by them.
 */
import type { ProviderKind } from './provider.ts'

/**
 * The official SDKs of Anthropic and Google write base URLs without the version, OpenAI's with it; both forms
 * are taken. All three answer OpenAI chat requests at these places.
 */
const CHAT: Readonly<Record<ProviderKind, Readonly<{ version: RegExp; add: string; path: string }>>> = {
  openai: { version: /^/, add: '', path: '/chat/completions' },
  anthropic: { version: /\/v1$/, add: '/v1', path: '/chat/completions' },
  gemini: { version: /\/v1(beta)?(\/openai)?$/, add: '/v1beta', path: '/chat/completions' },
}

export type Endpoints = Readonly<{ origin: string; chatPath: string }>

/** @param baseUrl one that `BaseUrl` accepted. */
export function endpointsOf(kind: ProviderKind, baseUrl: string): Endpoints {
  const url = new URL(baseUrl)
  const { version, add, path } = CHAT[kind]
  const written = url.pathname.replace(/\/+$/, '')
  const prefix = version.test(written) ? written : written + add
  const level = kind === 'gemini' && !prefix.endsWith('/openai') ? '/openai' : ''
  return { origin: url.origin, chatPath: `${prefix}${level}${path}${url.search}` }
}
