/**
 * A request that works as pasted, as far as it is known where to and what for.
 *
 * Pure.
 */
type Model = Readonly<{ name: string }>
type Provider = Readonly<{
  id: string
  state: string
  definition: Readonly<{ models: Readonly<{ static: readonly string[] }> }>
}>

/** @returns a name that resolves: a logical model, else one that a provider was said to have; null: none known. */
export function modelToTry(models: readonly Model[], providers: readonly Provider[]): string | null {
  const named = providers
    .filter(({ state }) => state === 'enabled')
    .flatMap(({ definition }) => definition.models.static)
  return models[0]?.name ?? named[0] ?? null
}

export type FirstRequest = Readonly<{
  /** `http://127.0.0.1:8080`; null: the control plane was not told. */
  gateway: string | null
  model: string | null
  /** Null: the reader puts it into a variable. */
  key: string | null
}>

/** For a shell; whatever a model is called, it stays within its quotes. */
export function firstRequest({ gateway, model, key }: FirstRequest): string {
  const base = (gateway ?? 'https://your-gateway').replace(/\/+$/, '')
  const authorization = `-H "authorization: Bearer ${key ?? '$APIPROXY_KEY'}"`
  if (model === null) return `curl ${base}/v1/models ${authorization}`
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] })
  const quoted = `'${body.replaceAll("'", `'\\''`)}'`
  return [
    `curl ${base}/v1/chat/completions`,
    authorization,
    '-H "content-type: application/json"',
    `-d ${quoted}`,
  ].join(' \\\n  ')
}
