/**
 * Where in the console somebody is, as the part of the address after `#`: it survives a reload, and a page can
 * be sent to a colleague.
 *
 * Pure.
 */
export type Route = Readonly<{
  /** `['requests', 'req_1']` */
  path: readonly string[]
  query: ReadonlyMap<string, string>
}>

/** What is not there, or empty, is not in the address. */
export type Query = Readonly<Record<string, string | undefined>>

export function hashOf(path: readonly string[], query: Query = {}): string {
  const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = said.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value ?? '')}`)
  return `#/${path.map(encodeURIComponent).join('/')}${text.length === 0 ? '' : `?${text.join('&')}`}`
}

/** Whatever stands there is a route; of one that nobody wrote, the unreadable parts are empty. */
export function readRoute(hash: string): Route {
  const [, places = '', asked = ''] = /^#?\/?([^?]*)\??(.*)$/s.exec(hash) ?? []
  const pairs = asked.split('&').flatMap((pair): [string, string][] => {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
    return name === '' ? [] : [[decoded(name), decoded(value)]]
  })
  return { path: places.split('/').filter(Boolean).map(decoded), query: new Map(pairs) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
