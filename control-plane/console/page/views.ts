/**
 * Which page is where.
 */
import type { View } from './context.ts'
import { empty, link } from './parts/bits.ts'
import type { Route } from './route.ts'
import { budgets } from './views/budgets.ts'
import { key } from './views/key.ts'
import { keys } from './views/keys.ts'
import { model } from './views/model.ts'
import { models } from './views/models.ts'
import { nodes } from './views/nodes.ts'
import { overview } from './views/overview.ts'
import { provider } from './views/provider.ts'
import { providers } from './views/providers.ts'
import { request } from './views/request.ts'
import { requests } from './views/requests.ts'
import { timeline } from './views/timeline.ts'

type Place = Readonly<{ title: string; all: View; one?: View }>

const PLACES: ReadonlyMap<string, Place> = new Map<string, Place>([
  ['overview', { title: 'Overview', all: overview }],
  ['providers', { title: 'Providers', all: providers, one: provider }],
  ['models', { title: 'Models', all: models, one: model }],
  ['keys', { title: 'Client keys', all: keys, one: key }],
  ['budgets', { title: 'Budgets', all: budgets }],
  ['requests', { title: 'Requests', all: requests, one: request }],
  ['timeline', { title: 'Timeline', all: timeline }],
  ['nodes', { title: 'Nodes', all: nodes }],
])

export const NAVIGATION: readonly (readonly [name: string, title: string])[] = [...PLACES].map(
  ([name, { title }]) => [name, title],
)

const nowhere: View = () => ({
  refreshMs: null,
  load: async () => ({
    heading: 'There is no such page',
    body: empty('The address leads nowhere.', link('To the overview', ['overview'])),
  }),
})

export function viewOf({ path: [name = 'overview', id] }: Route): View {
  const place = PLACES.get(name)
  return (id === undefined ? place?.all : place?.one) ?? nowhere
}

export function titleOf({ path: [name = 'overview', id] }: Route): string {
  return id ?? PLACES.get(name)?.title ?? 'There is no such page'
}
