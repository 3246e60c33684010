/**
 * One client key: what it may do, what it did, and changing that.
 */
import type { Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { badge, button, card, code, empty, facts, link, tag, time } from '../parts/bits.ts'
import { offer } from '../parts/change.ts'
import { limitFields, limitsIn, limitWords } from '../parts/limits.ts'
import { usageByModel } from '../parts/usage.ts'
import { stateWord } from '../words.ts'
import { standing } from './budgets.ts'
import { expiryOf, ownerFields, scopeFields, scopesIn, shownOnce } from './keys.ts'

export const key: View = (context, { path: [, id = ''] }) => ({
  refreshMs: 30_000,
  load: (signal) => load(context, id, signal),
})

type Key = Outputs['keys']['get']['key']

async function load(context: Context, id: string, signal: AbortSignal): Promise<Page> {
  const { api, now } = context
  const [{ key: one }, usage, { budgets }] = await Promise.all([
    api.keys.get.query({ id }, { signal }),
    api.usage.summary.query({ by: 'model', key: id, limit: 20 }, { signal }),
    api.budgets.list.query({}, { signal }),
  ])
  const own = budgets.filter(({ subject }) =>
    'key' in subject ? subject.key === id : one.tags.includes(subject.tag),
  )
  return {
    heading: one.name,
    about: [
      badge(stateWord(one.state)),
      ' ',
      code(`${one.prefix}…`),
      one.undeclared ? [' ', tag('not declared any more')] : null,
      one.origin === 'declared' ? [' ', tag('declared')] : null,
    ],
    actions: actionsOf(context, one),
    body: [
      card('Terms', termsOf(context, one)),
      card(
        'Budgets',
        own.length === 0
          ? empty('None holds it.', link('To the budgets', ['budgets']))
          : standing(own, now()),
      ),
      card('Models, 30 days', usedOf(usage, id)),
    ],
  }
}

function actionsOf(context: Context, one: Key): Child {
  const { api } = context
  const { id, name, version, state } = one
  const existing = { id, expectedVersion: version }
  const rotate = (): void =>
    offer(context, {
      title: `Rotate ${name}`,
      about: 'The key gets a new text.',
      action: 'Rotate',
      fields: [
        {
          name: 'overlapSeconds',
          label: 'Seconds that the old text still works',
          kind: 'number',
          value: '3600',
          hint: 'At most 30 days: 2592000.',
        },
      ],
      send: (values, how) =>
        api.keys.rotate.mutate({ ...existing, overlapSeconds: values.number('overlapSeconds') ?? 0, ...how }),
      after: ({ key: text, note }) => shownOnce(text, note, null),
    })
  const suspend = (): void =>
    offer(context, {
      title: `Suspend ${name}`,
      about: 'It is refused until it is resumed.',
      action: 'Suspend',
      isDangerous: true,
      send: (_, how) => api.keys.suspend.mutate({ ...existing, ...how }),
    })
  const resume = (): void =>
    offer(context, {
      title: `Resume ${name}`,
      about: 'It is accepted again.',
      action: 'Resume',
      send: (_, how) => api.keys.resume.mutate({ ...existing, ...how }),
    })
  const revoke = (): void =>
    offer(context, {
      title: `Revoke ${name}`,
      about: 'It is refused for ever: this cannot be undone.',
      action: 'Revoke',
      isDangerous: true,
      confirm: name,
      send: (_, how) => api.keys.revoke.mutate({ ...existing, ...how }),
    })
  return [
    state === 'revoked' ? null : button('Rotate', rotate),
    state === 'active' ? button('Suspend', suspend) : null,
    state === 'suspended' ? button('Resume', resume, 'primary') : null,
    link('Requests', ['requests'], { key: id }),
    link('History', ['timeline'], { stream: `clientkey-${id}` }),
    state === 'revoked' ? null : button('Revoke', revoke, 'danger'),
  ]
}

function termsOf(context: Context, one: Key): Child {
  const { id, version, scopes, limits, owner, tags, expiresAt, previousUntil, keepContext } = one
  const now = context.now()
  const change = (act: (context: Context, one: Key) => void): Child =>
    one.state === 'revoked' ? null : [' ', button('Change', () => act(context, one), 'small')]
  return facts([
    ['Id', code(id)],
    ['Models', [scopes.models?.map((name) => [code(name), ' ']) ?? 'all', change(setScopes)]],
    ['Providers', scopes.providers?.join(', ') ?? 'all'],
    ['Endpoints', scopes.endpoints?.join(', ') ?? 'all'],
    ['Limits', [limitWords(limits), change(setLimits)]],
    ['Owner and tags', [owner ?? 'nobody', ' ', tags.map(tag), change(setOwner)]],
    ['Expires', [expiryOf(expiresAt, now), change(setExpiry)]],
    [
      'The text before works until',
      previousUntil === null || previousUntil <= now ? null : time(previousUntil, now),
    ],
    ['Sessions', keepContext ? 'can be looked at' : 'keep nothing'],
    ['Version', `${version}, issued by commit ${one.createdAt}, changed by ${one.changedAt}`],
  ])
}

const existing = ({ id, version }: Key) => ({ id, expectedVersion: version })

function setScopes(context: Context, one: Key): void {
  offer(context, {
    title: 'What it may be used for',
    action: 'Set',
    fields: scopeFields(one.scopes),
    send: async (values, how) =>
      context.api.keys.setScopes.mutate({ ...existing(one), scopes: scopesIn(values), ...how }),
  })
}

function setLimits(context: Context, one: Key): void {
  offer(context, {
    title: 'Limits',
    about: 'Over the whole fleet; what is empty is not limited.',
    action: 'Set',
    fields: limitFields(one.limits),
    send: (values, how) =>
      context.api.keys.setLimits.mutate({ ...existing(one), limits: limitsIn(values), ...how }),
  })
}

function setOwner(context: Context, one: Key): void {
  offer(context, {
    title: 'Whose it is',
    action: 'Set',
    fields: ownerFields(one.owner, one.tags),
    send: (values, how) =>
      context.api.keys.setOwner.mutate({
        ...existing(one),
        owner: values.maybe('owner') ?? null,
        tags: values.list('tags'),
        ...how,
      }),
  })
}

function setExpiry(context: Context, one: Key): void {
  const value = one.expiresAt === null ? '' : String(one.expiresAt)
  offer(context, {
    title: 'When it expires',
    action: 'Set',
    fields: [
      { name: 'expiresAt', label: 'Expires', kind: 'moment', value, hint: 'In your time. Empty: never.' },
    ],
    send: (values, how) =>
      context.api.keys.setExpiry.mutate({ ...existing(one), expiresAt: values.at('expiresAt'), ...how }),
  })
}

function usedOf({ rows }: Outputs['usage']['summary'], id: string): Child {
  if (rows.length === 0) return empty('It was not used.')
  return [
    usageByModel('Models that it asked for', rows, { key: id }),
    h('p', {}, link('Its requests', ['requests'], { key: id })),
  ]
}
