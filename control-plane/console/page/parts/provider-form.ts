/**
 * Adding a provider, and changing how it is used.
 */
import type { Outputs } from '../api.ts'
import type { Context } from '../context.ts'
import { offer } from './change.ts'
import type { Field, Fields, Values } from './form.ts'

type Provider = Outputs['providers']['get']['provider']
type Known = Readonly<{ text: string; id: string; name: string; kind: string; baseUrl: string }>

/** As their official SDKs write them. */
const KNOWN: ReadonlyMap<string, Known> = new Map([
  [
    'openai',
    { text: 'OpenAI', id: 'openai', name: 'OpenAI', kind: 'openai', baseUrl: 'https://api.openai.com/v1' },
  ],
  [
    'anthropic',
    {
      text: 'Anthropic',
      id: 'anthropic',
      name: 'Anthropic',
      kind: 'anthropic',
      baseUrl: 'https://api.anthropic.com',
    },
  ],
  [
    'gemini',
    {
      text: 'Gemini',
      id: 'gemini',
      name: 'Gemini',
      kind: 'gemini',
      baseUrl: 'https://generativelanguage.googleapis.com',
    },
  ],
  ['other', { text: 'Another one, or a server of your own', id: '', name: '', kind: 'openai', baseUrl: '' }],
])

const KINDS = [
  ['openai', 'OpenAI and everything compatible'],
  ['anthropic', 'Anthropic'],
  ['gemini', 'Gemini'],
] as const

const kindOf = (text: string): Provider['definition']['kind'] =>
  text === 'anthropic' || text === 'gemini' ? text : 'openai'

function fill(choice: string, fields: Fields): void {
  const known = KNOWN.get(choice)
  if (known === undefined) return
  fields.set('id', known.id)
  fields.set('definition.name', known.name)
  fields.set('definition.kind', known.kind)
  fields.set('definition.baseUrl', known.baseUrl)
}

const NEW: readonly Field[] = [
  {
    name: '-known',
    label: 'Which',
    kind: 'choice',
    value: 'other',
    choices: [...KNOWN].map(([value, { text }]) => [value, text] as const),
    onChange: fill,
    required: true,
  },
  {
    name: 'id',
    label: 'Id',
    kind: 'text',
    required: true,
    hint: 'In models and addresses: small letters, digits, - and _. It stays.',
  },
  { name: 'definition.name', label: 'Name', kind: 'text', hint: 'For people. The id when empty.' },
  { name: 'definition.kind', label: 'It speaks', kind: 'choice', choices: KINDS, required: true },
  {
    name: 'definition.baseUrl',
    label: 'Base URL',
    kind: 'text',
    required: true,
    hint: 'As the official SDK takes it: https://host/v1',
  },
  { name: 'credentials', label: 'API key', kind: 'secret', hint: 'Sealed at once, and never shown again.' },
  {
    name: 'definition.models',
    label: 'Models',
    kind: 'lines',
    hint: 'One a line. When empty, the provider is asked what it serves.',
  },
  { name: 'definition.allowPrivate', label: 'May live at a loopback or private address', kind: 'check' },
]

export function addProvider(context: Context): void {
  const { api, go } = context
  offer(context, {
    title: 'Add a provider',
    action: 'Add',
    fields: NEW,
    send: (values, how) => {
      const [apiKey, named] = [values.text('credentials'), values.list('definition.models')]
      return api.providers.register.mutate({
        id: values.text('id'),
        definition: {
          name: values.text('definition.name') || values.text('id'),
          kind: kindOf(values.text('definition.kind')),
          baseUrl: values.text('definition.baseUrl'),
          allowPrivate: values.isOn('definition.allowPrivate'),
          ...(named.length === 0 ? {} : { models: { static: named } }),
        },
        credentials: apiKey === '' ? [] : [{ apiKey }],
        ...how,
      })
    },
    leadTo: ({ ids }) => go(['providers', ids['provider'] ?? '']),
  })
}

const shown = (value: number | undefined): string => (value === undefined ? '' : String(value))

const placeFields = ({
  name,
  kind,
  baseUrl,
  allowPrivate,
  models,
}: Provider['definition']): readonly Field[] => [
  { name: 'definition.name', label: 'Name', kind: 'text', value: name, required: true },
  {
    name: 'definition.kind',
    label: 'It speaks',
    kind: 'choice',
    value: kind,
    choices: KINDS,
    required: true,
  },
  { name: 'definition.baseUrl', label: 'Base URL', kind: 'text', value: baseUrl, required: true },
  {
    name: 'definition.models.static',
    label: 'Models',
    kind: 'lines',
    value: models.static.join('\n'),
    hint: 'One a line. When empty, the provider is asked what it serves.',
  },
  {
    name: 'definition.allowPrivate',
    label: 'May live at a loopback or private address',
    kind: 'check',
    value: allowPrivate ? 'on' : '',
  },
]

const routingFields = ({ routing }: Provider['definition']): readonly Field[] => {
  const number = (name: 'maxQps' | 'maxConcurrency' | 'costInput' | 'costOutput', label: string): Field => ({
    name: `definition.routing.${name}`,
    label,
    kind: 'number',
    value: shown(routing[name]),
  })
  return [
    {
      name: 'definition.routing.weight',
      label: 'Weight',
      kind: 'number',
      value: String(routing.weight),
      required: true,
      hint: 'Where no logical model says another one.',
    },
    { name: 'definition.routing.region', label: 'Region', kind: 'text', value: routing.region ?? '' },
    number('maxQps', 'At most requests a second'),
    number('maxConcurrency', 'At most requests at once'),
    number('costInput', 'Dollars a million input tokens'),
    number('costOutput', 'Dollars a million output tokens'),
  ]
}

export function changeProvider(context: Context, { id, version, definition }: Provider): void {
  offer(context, {
    title: `Change ${id}`,
    action: 'Change',
    fields: [...placeFields(definition), ...routingFields(definition)],
    send: (values, how) =>
      context.api.providers.update.mutate({
        id,
        expectedVersion: version,
        definition: {
          name: values.text('definition.name'),
          kind: kindOf(values.text('definition.kind')),
          baseUrl: values.text('definition.baseUrl'),
          allowPrivate: values.isOn('definition.allowPrivate'),
          routing: routingIn(values, definition.routing.weight),
          models: { static: values.list('definition.models.static') },
        },
        ...how,
      }),
  })
}

/** What is left empty is taken away. */
function routingIn(values: Values, weight: number) {
  const orNone = (name: string): number | null => values.number(`definition.routing.${name}`) ?? null
  return {
    weight: values.number('definition.routing.weight') ?? weight,
    region: values.maybe('definition.routing.region') ?? null,
    maxQps: orNone('maxQps'),
    maxConcurrency: orNone('maxConcurrency'),
    costInput: orNone('costInput'),
    costOutput: orNone('costOutput'),
  }
}
