/**
 * What a person sees when the gateway has started: where it is, the secrets that are shown once, and a
 * request that works as pasted.
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'

export type BannerInput = Readonly<{
  gateway: string
  admin: string
  /** Shown only when they were just made. */
  clientKey: string | null
  adminToken: string | null
  /** Where the admin token is kept or was given. */
  tokenPlace: string
  /** The model of the simulated provider, when there is no other. */
  simulatedModel: string | null
  catalog: Catalog
}>

export function banner(input: BannerInput): string {
  const { gateway, admin, clientKey, adminToken, tokenPlace, simulatedModel, catalog } = input
  const opened = `           (open it in a browser with the admin token, in ${tokenPlace})`
  const lines = ['', 'APIProxy is ready.', '', `  gateway  ${gateway}/v1`, `  admin    ${admin}`, opened]
  if (adminToken !== null) lines.push(`  token    ${adminToken}`)
  if (clientKey !== null) lines.push(`  key      ${clientKey}`, '           (client key, shown this once)')
  if (simulatedModel !== null) {
    lines.push(
      '',
      '  No provider is configured, so a simulated one answers. For a real one, set OPENAI_API_KEY,',
      '  ANTHROPIC_API_KEY or GEMINI_API_KEY and start again.',
    )
  }
  lines.push('', ...request(gateway, clientKey, simulatedModel ?? modelToTry(catalog)), '')
  return lines.join('\n')
}

/** Small models of the well-known providers, cheap to try. They need not be listed: a pinned name reaches them. */
const TRY: readonly (readonly [string, string])[] = [
  ['openai', 'gpt-4o-mini'],
  ['anthropic', 'claude-haiku-4-5'],
  ['gemini', 'gemini-2.5-flash'],
]

/** @returns a name that resolves in this catalog, or null when none is known. */
function modelToTry(catalog: Catalog): string | null {
  const providers = [...catalog.providers.values()].filter(({ state }) => state === 'enabled')
  const [logical] = catalog.models.keys()
  const listed = providers.flatMap(({ definition }) => definition.models.static)[0]
  const wellKnown = TRY.find(([id]) => providers.some((provider) => provider.id === id))
  return logical ?? listed ?? (wellKnown === undefined ? null : wellKnown.join('/'))
}

function request(gateway: string, clientKey: string | null, model: string | null): string[] {
  const key = clientKey ?? '<your client key>'
  const authorization = `-H "authorization: Bearer ${key}"`
  const forgotten =
    clientKey === null
      ? ['  Lost the client key? Make another:  npx apiproxy keys issue --name mine', '']
      : []
  if (model === null)
    return [...forgotten, '  See which models there are:', '', `curl ${gateway}/v1/models ${authorization}`]
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] })
  return [
    ...forgotten,
    '  Try it:',
    '',
    `curl ${gateway}/v1/chat/completions ${authorization} -H "content-type: application/json" -d '${body}'`,
  ]
}
