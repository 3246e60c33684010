/**
 * One request: what was tried, and why there, made again from the log.
 */
import type { Outputs } from '../api.ts'
import type { Context, Page, View } from '../context.ts'
import { h, type Child } from '../dom.ts'
import { count, dollars, figure, percent, span } from '../format.ts'
import { badge, card, code, empty, facts, link, table, tag, time } from '../parts/bits.ts'
import { meter } from '../parts/draw.ts'
import { kindWords, outcomeWord, statusWord, verdictWord } from '../words.ts'

export const request: View = (context, { path: [, id = ''] }) => ({
  refreshMs: null,
  load: (signal) => load(context, id, signal),
})

type Recorded = Outputs['requests']['get']
type Explained = Outputs['requests']['explain']
type Choice = Explained['choices'][number]

async function load({ api, now }: Context, id: string, signal: AbortSignal): Promise<Page> {
  const [one, explained] = await Promise.all([
    api.requests.get.query({ id }, { signal }),
    // What cannot be explained any more can still be looked at.
    api.requests.explain
      .query({ id }, { signal })
      .catch((error: unknown) => String(error instanceof Error ? error.message : error)),
  ])
  return {
    heading: id,
    about: [
      badge(statusWord(one.status)),
      ' ',
      time(one.at, now()),
      ` · ${span(one.totalMs)} · `,
      one.provider === '' ? 'nobody answered' : `answered by ${one.provider}/${one.upstream}`,
    ],
    body: [
      card('What was tried', attemptsOf(one)),
      typeof explained === 'string'
        ? card('Why there', h('p', { class: 'told warn' }, explained))
        : whyOf(explained, now()),
      card('What was used', usedOf(one)),
    ],
  }
}

const ATTEMPTS = [
  { title: '' },
  { title: 'Where' },
  { title: 'Outcome' },
  { title: 'Status', isNumber: true },
  { title: 'First content', isNumber: true },
  { title: 'Took', isNumber: true },
  { title: 'Why there' },
  { title: 'Credential' },
] as const

function attemptsOf({ attempts }: Recorded): Child {
  if (attempts.length === 0) return empty('Nobody was asked.')
  return table(
    'Attempts, in their order',
    ATTEMPTS,
    attempts.map((one, at) => ({
      key: String(at),
      cells: [
        String(at + 1),
        [
          link(one.provider, ['providers', one.provider]),
          '/',
          code(one.model),
          one.dialect === '' ? null : h('small', {}, ` as ${one.dialect}`),
        ],
        badge(outcomeWord(one.outcome)),
        one.status === 0 ? '' : String(one.status),
        one.firstMs === null ? '' : span(one.firstMs),
        span(one.totalMs),
        one.why,
        code(one.credential),
      ],
    })),
  )
}

function whyOf(explained: Explained, now: number): Child {
  const { commitNo, route, verdict, differences, notes, choices, causes, judgements } = explained
  return [
    card(
      'Why there',
      facts([
        ['Made again from the log', badge(verdictWord(verdict))],
        ['Configuration', link(`commit ${commitNo}`, ['timeline'], { before: String(commitNo + 1) })],
        [
          'The name meant',
          [
            kindWords(route.kind),
            `, strategy ${route.strategy}`,
            route.region === null ? null : `, region ${route.region}`,
          ],
        ],
      ]),
      differences.length === 0
        ? null
        : h(
            'ul',
            { class: 'told bad' },
            differences.map((text) => h('li', {}, text)),
          ),
      choices.map((choice, at) => choiceOf(choice, at, choices.length)),
      notes.length === 0
        ? null
        : h(
            'details',
            {},
            h('summary', {}, 'What had to be taken from the record'),
            h(
              'ul',
              {},
              notes.map((text) => h('li', {}, text)),
            ),
          ),
    ),
    card('Who set what it was chosen by', causesOf(causes, now)),
    judgements.length === 0 ? null : card('What the prober had said', judgementsOf(judgements)),
  ]
}

const CANDIDATES = [
  { title: 'Candidate' },
  { title: 'Tier', isNumber: true },
  { title: 'Weight', isNumber: true },
  { title: 'Prober', isNumber: true },
  { title: 'Node', isNumber: true },
  { title: 'Share' },
  { title: 'Because' },
] as const

function choiceOf(
  { words, chosen, drawn, table: used, isEqual, candidates }: Choice,
  at: number,
  all: number,
): HTMLElement {
  return h(
    'section',
    { class: 'choice' },
    h('h3', {}, all === 1 ? 'The choice' : `Choice ${at + 1}`),
    h('p', {}, words, isEqual ? null : [' ', tag('not as recorded')]),
    table(
      `Candidates of choice ${at + 1}`,
      CANDIDATES,
      candidates.map((one) => ({
        key: one.deployment,
        cells: [
          [
            one.deployment === chosen ? h('strong', {}, one.deployment) : one.deployment,
            one.deployment === chosen ? [' ', tag('chosen')] : null,
          ],
          String(one.tier),
          figure(one.weight),
          percent(one.fleet),
          percent(one.local),
          meter(one.share, `share of ${one.deployment}`),
          one.why ?? 'counted in full',
        ],
      })),
    ),
    h(
      'p',
      { class: 'hint' },
      `${drawn} drawn from the dice before it · `,
      used === null || used === undefined
        ? 'no weight table was known'
        : `weight table ${used.epoch}.${used.seq}${used.say === undefined ? '' : `, which still said ${percent(used.say)}`}`,
    ),
  )
}

function causesOf(causes: Explained['causes'], now: number): Child {
  if (causes.length === 0) return empty('Nobody set anything: the defaults decided.')
  return table(
    'Values and the commits that set them',
    [
      { title: 'What' },
      { title: 'Value' },
      { title: 'Commit', isNumber: true },
      { title: 'When' },
      { title: 'Who' },
      { title: 'Why' },
    ],
    causes.map((one) => ({
      key: one.what,
      cells: [
        one.what,
        code(one.value),
        link(`#${one.commitNo}`, ['timeline'], { before: String(one.commitNo + 1) }),
        time(one.at, now),
        `${one.actor.kind}:${one.actor.id}`,
        one.reason ?? '',
      ],
    })),
  )
}

const judgementsOf = (judgements: Explained['judgements']): HTMLElement =>
  table(
    'Factors by the weight tables in force',
    [
      { title: 'Deployment' },
      { title: 'Factor', isNumber: true },
      { title: 'Because' },
      { title: 'Table', isNumber: true },
    ],
    judgements.map((one) => ({
      key: `${one.provider}/${one.model}/${one.seq}`,
      cells: [`${one.provider}/${one.model}`, percent(one.factor), one.reason, String(one.seq)],
    })),
  )

function usedOf(one: Recorded): Child {
  const { tokens } = one
  const counted = ([name, value]: readonly [string, number]): readonly [string, Child] => [
    name,
    value === 0 ? null : count(value),
  ]
  return [
    facts([
      ['Cost', one.cost === null ? 'no price is known' : dollars(one.cost)],
      ['Input tokens', count(tokens.input)],
      ['Output tokens', count(tokens.output)],
      counted(['Read from a cache', tokens.cacheRead]),
      counted(['Written to a cache', tokens.cacheWrite]),
      counted(['Reasoning', tokens.reasoning]),
      ['Counted', one.isEstimated ? 'partly estimated' : 'by the provider'],
      ['Key', link(one.key, ['keys', one.key])],
      ['Tags', one.tags.length === 0 ? null : one.tags.map(tag)],
      [
        'Asked for',
        [
          code(one.asked),
          one.model === '' || one.model === one.asked
            ? null
            : [', which is ', link(one.model, ['models', one.model])],
        ],
      ],
      ['Endpoint', `${one.endpoint}${one.stream ? ', streamed' : ''}`],
      ['Session', one.session === null ? null : code(one.session)],
      ['Node', one.node],
      ['Seed of the dice', code(String(one.seed))],
    ]),
    one.warnings.length === 0
      ? null
      : [
          h('h3', {}, 'Warnings'),
          h(
            'ul',
            {},
            one.warnings.map((text) => h('li', {}, text)),
          ),
        ],
  ]
}
