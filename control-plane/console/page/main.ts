/**
 * The console: signs somebody in, and shows them what they ask for.
 *
 * The only file of the page that reads a clock, an address or what the browser keeps.
 */
import { ApiFailure, createApi, type Api } from './api.ts'
import { readRoute, hashOf } from './route.ts'
import { Shell } from './shell.ts'
import { signIn } from './sign-in.ts'

/** For as long as the tab is open, and for this origin alone. */
const TOKEN = 'apiproxy.admin-token'

const root = document.querySelector('#console')
if (root === null) throw new Error('there is no place for the console')

const apiOf = (token: string): Api =>
  createApi({ base: new URL('trpc/', document.baseURI).href, token, fetch: (...asked) => fetch(...asked) })

/** @returns why it is not let in; null: it is. */
async function tryToken(token: string): Promise<string | null> {
  try {
    await apiOf(token).system.status.query()
    return null
  } catch (error) {
    if (!(error instanceof ApiFailure))
      return 'That cannot be a token: it has characters that no header takes.'
    return error.known.code === 'UNAUTHORIZED' ? 'That is not the admin token.' : error.message
  }
}

function ask(why: string | null): void {
  root?.replaceChildren(
    signIn(why, async (token) => {
      const problem = await tryToken(token)
      if (problem !== null) return problem
      sessionStorage.setItem(TOKEN, token)
      start(token)
      return null
    }),
  )
  document.title = 'Sign in · APIProxy'
  root?.querySelector('input')?.focus()
}

function start(token: string): void {
  const out = (why: string | null): void => {
    sessionStorage.removeItem(TOKEN)
    shell.close()
    ask(why)
  }
  const shell = new Shell({
    api: apiOf(token),
    now: () => Date.now(),
    newId,
    route: () => readRoute(location.hash),
    go: (path, query) => {
      location.hash = hashOf(path, query)
    },
    out,
  })
  root?.replaceChildren(shell.element)
  shell.open()
}

/** A version 4 UUID; `randomUUID` is there on secure origins only, and loopback is one, other plain HTTP not. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const hex = [...bytes].map((byte, at) => {
    const value = at === 6 ? (byte & 0x0f) | 0x40 : at === 8 ? (byte & 0x3f) | 0x80 : byte
    return value.toString(16).padStart(2, '0')
  })
  return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

const kept = sessionStorage.getItem(TOKEN)
if (kept === null) ask(null)
else start(kept)
