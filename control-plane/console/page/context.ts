/**
 * What a view is given, and what it gives.
 */
import type { Api } from './api.ts'
import type { Child } from './dom.ts'
import type { Query, Route } from './route.ts'

export type Context = Readonly<{
  api: Api
  /** Epoch milliseconds. */
  now: () => number
  newId: () => string
  /** Goes somewhere else in the console. */
  go: (path: readonly string[], query?: Query) => void
  /** Asks for what is shown now anew. */
  again: () => void
  /** Tells something that has happened, and takes it away again. */
  tell: (notice: Notice) => Told
}>

export type Notice = Readonly<{ text: string; tone: 'good' | 'calm' | 'warn' | 'bad' }>
export type Told = Readonly<{ update: (notice: Notice) => void }>

export type Page = Readonly<{
  heading: string
  /** One sentence under it. */
  about?: Child
  /** Buttons beside it. */
  actions?: Child
  body: Child
}>

export type Mounted = Readonly<{
  load: (signal: AbortSignal) => Promise<Page>
  /** How often it is asked for anew while somebody looks; null: it tells itself when it has changed. */
  refreshMs: number | null
  stop?: () => void
}>

export type View = (context: Context, route: Route) => Mounted
