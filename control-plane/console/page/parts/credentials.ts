/**
 * The secrets of a provider: they go in and never come out.
 */
import type { Outputs } from '../api.ts'
import type { Context } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { figure } from '../format.ts'
import { button, code, empty, table } from './bits.ts'
import { offer } from './change.ts'
import type { Field } from './form.ts'

type Provider = Outputs['providers']['get']['provider']

const SECRET: Field = {
  name: 'apiKey',
  label: 'API key',
  kind: 'secret',
  required: true,
  hint: 'Sealed at once, and never shown again.',
}

const COLUMNS = [
  { title: 'Label' },
  { title: 'Fingerprint' },
  { title: 'Share', isNumber: true },
  { title: '' },
] as const

export function credentialsOf(context: Context, one: Provider): Child {
  const add = button('Add a credential', () => addTo(context, one))
  if (one.credentials.length === 0) return empty('None: it is asked without a key.', add)
  const rows = one.credentials.map(({ id, label, fingerprint, weight }) => ({
    key: id,
    cells: [
      label ?? code(id),
      code(fingerprint),
      figure(weight),
      h(
        'div',
        { class: 'buttons' },
        button('Rotate', () => rotate(context, one, id), 'small'),
        button('Revoke', () => revoke(context, one, id), 'small danger'),
      ),
    ],
  }))
  return [table('Credentials', COLUMNS, rows), add]
}

function addTo(context: Context, { id, version }: Provider): void {
  offer(context, {
    title: `Add a credential to ${id}`,
    action: 'Add',
    fields: [
      SECRET,
      { name: 'label', label: 'Label', kind: 'text', hint: 'To recognise it by.' },
      {
        name: 'weight',
        label: 'Share',
        kind: 'number',
        value: '1',
        hint: 'Among the credentials of this provider.',
      },
    ],
    send: (values, how) =>
      context.api.providers.credentials.add.mutate({
        id,
        expectedVersion: version,
        apiKey: values.text('apiKey'),
        label: values.maybe('label'),
        weight: values.number('weight'),
        ...how,
      }),
  })
}

function rotate(context: Context, { id, version }: Provider, credentialId: string): void {
  offer(context, {
    title: 'Rotate a credential',
    about: ['A new secret in the place of the old one of ', code(credentialId), '.'],
    action: 'Rotate',
    fields: [SECRET],
    send: (values, how) =>
      context.api.providers.credentials.rotate.mutate({
        id,
        expectedVersion: version,
        credentialId,
        apiKey: values.text('apiKey'),
        ...how,
      }),
  })
}

function revoke(context: Context, { id, version }: Provider, credentialId: string): void {
  offer(context, {
    title: 'Revoke a credential',
    about: ['No node uses ', code(credentialId), ' any more.'],
    action: 'Revoke',
    isDangerous: true,
    send: (_, how) =>
      context.api.providers.credentials.revoke.mutate({ id, expectedVersion: version, credentialId, ...how }),
  })
}
