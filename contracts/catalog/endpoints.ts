/**
 * Where a provider takes requests of each kind, and how its credential is sent: from its kind and the base URL
 * the operator wrote.
 *
 * Pure. A path prefix and a query string of the base URL are kept: some hosts route or version by them.
 */
import type { Dialect, ProviderKind } from './provider.ts'

/** Path and query of each call; null: a server of this kind has no such place. */
export type EndpointPaths = Readonly<{
  /** All three kinds answer OpenAI chat requests. */
  chat: string
  responses: string | null
  embeddings: string | null
  /** Anthropic Messages, and its token count. */
  messages: string | null
  countMessageTokens: string | null
  /** Gemini, a path of its own for each model. */
  generate: string | null
  generateStream: string | null
  countTokens: string | null
  embedContent: string | null
  batchEmbedContents: string | null
}>

export type Endpoints = Readonly<{
  /** `https://host:port` */
  origin: string
  /** The host alone: some are known for what they take. */
  host: string
  paths: (model: string) => EndpointPaths
  /** Path and query of the model list, from the path below the base URL. */
  modelList: (path: string) => string
  /** The header that carries a credential. */
  credential: (secret: string) => readonly [name: string, value: string]
  /** What the provider speaks natively unless its operator says otherwise, the best first. */
  dialects: readonly Dialect[]
}>

const NOWHERE = {
  responses: null,
  embeddings: null,
  messages: null,
  countMessageTokens: null,
  generate: null,
  generateStream: null,
  countTokens: null,
  embedContent: null,
  batchEmbedContents: null,
} as const satisfies Partial<EndpointPaths>

/** Azure's own hosts take keys in a header of their own; a Bearer token there is one of Entra ID. */
const AZURE_HOST = /\.(openai|cognitiveservices|services\.ai)\.azure\.(com|us|cn)$/
/** OpenAI itself, its regional hosts included. */
const OPENAI_HOST = /(^|\.)api\.openai\.com$/

/** @param baseUrl one that `BaseUrl` accepted. */
export function endpointsOf(kind: ProviderKind, baseUrl: string): Endpoints {
  const url = new URL(baseUrl)
  const written = url.pathname.replace(/\/+$/, '')
  const common = { origin: url.origin, host: url.hostname, credential: credentialHeader(kind, url.hostname) }
  switch (kind) {
    case 'openai':
      return { ...common, ...openai(written, url) }
    case 'anthropic':
      return { ...common, ...anthropic(written, url) }
    case 'gemini':
      return { ...common, ...gemini(written, url) }
    default:
      return kind satisfies never
  }
}

function credentialHeader(kind: ProviderKind, host: string): Endpoints['credential'] {
  if (kind === 'anthropic') return (secret) => ['x-api-key', secret]
  if (kind === 'gemini') return (secret) => ['x-goog-api-key', secret]
  return AZURE_HOST.test(host)
    ? (secret) => ['api-key', secret]
    : (secret) => ['authorization', `Bearer ${secret}`]
}

type Places = Pick<Endpoints, 'paths' | 'modelList' | 'dialects'>

function openai(prefix: string, { hostname, search }: URL): Places {
  const paths: EndpointPaths = {
    ...NOWHERE,
    chat: `${prefix}/chat/completions${search}`,
    responses: `${prefix}/responses${search}`,
    embeddings: `${prefix}/embeddings${search}`,
    // vLLM, OpenRouter and other gateways take Anthropic's requests beside OpenAI's.
    messages: `${prefix}/messages${search}`,
    countMessageTokens: `${prefix}/messages/count_tokens${search}`,
  }
  const speaksResponses = OPENAI_HOST.test(hostname) || AZURE_HOST.test(hostname)
  return {
    paths: () => paths,
    modelList: (path) => joined(prefix + path, search),
    dialects: speaksResponses ? ['openai-chat', 'openai-responses'] : ['openai-chat'],
  }
}

/** Anthropic's SDKs write base URLs without the version; both forms are taken. */
function anthropic(written: string, { search }: URL): Places {
  const prefix = written.endsWith('/v1') ? written : `${written}/v1`
  const paths: EndpointPaths = {
    ...NOWHERE,
    chat: `${prefix}/chat/completions${search}`,
    messages: `${prefix}/messages${search}`,
    countMessageTokens: `${prefix}/messages/count_tokens${search}`,
  }
  return {
    paths: () => paths,
    modelList: (path) => joined(prefix + path, search),
    dialects: ['anthropic'],
  }
}

/** Google's SDKs write base URLs without the version; its OpenAI-compatible part has a prefix of its own. */
function gemini(written: string, { search }: URL): Places {
  const base = written.replace(/\/openai$/, '')
  const prefix = /\/v1(beta)?$/.test(base) ? base : `${base}/v1beta`
  const chat = `${prefix}/openai/chat/completions${search}`
  const embeddings = `${prefix}/openai/embeddings${search}`
  return {
    paths: (model) => {
      const place = `${prefix}/${geminiResource(model)}`
      return {
        ...NOWHERE,
        chat,
        embeddings,
        generate: `${place}:generateContent${search}`,
        // Without it the stream is one JSON array.
        generateStream: joined(`${place}:streamGenerateContent?alt=sse`, search),
        countTokens: `${place}:countTokens${search}`,
        embedContent: `${place}:embedContent${search}`,
        batchEmbedContents: `${place}:batchEmbedContents${search}`,
      }
    },
    modelList: (path) => joined(prefix + path, search),
    dialects: ['gemini'],
  }
}

/**
 * One segment, whatever the name holds: a model is named by clients too, and must not be a way to other
 * places of the host.
 */
function geminiResource(model: string): string {
  const name = model.toWellFormed()
  const collection = name.startsWith('tunedModels/') ? 'tunedModels' : 'models'
  const bare = name.startsWith(`${collection}/`) ? name.slice(collection.length + 1) : name
  return `${collection}/${encodeURIComponent(bare)}`
}

/** @param search of the base URL, with its `?`, or empty. */
const joined = (place: string, search: string): string =>
  search === '' ? place : place.includes('?') ? `${place}&${search.slice(1)}` : place + search

/** Is there a place at a provider of this kind that takes requests of a dialect? */
export function takesDialect(paths: EndpointPaths, dialect: Dialect): boolean {
  switch (dialect) {
    case 'openai-chat':
      return true
    case 'openai-responses':
      return paths.responses !== null
    case 'anthropic':
      return paths.messages !== null
    case 'gemini':
      return paths.generate !== null
    default:
      return dialect satisfies never
  }
}
