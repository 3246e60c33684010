/**
 * What the API names in one word, in words for people, and how alarming it is.
 *
 * Pure.
 */
export type Tone = 'good' | 'calm' | 'warn' | 'bad'
export type Word = Readonly<{ text: string; tone: Tone; about: string }>

const word = (text: string, tone: Tone, about: string): Word => ({ text, tone, about })

const NODE_STATES = new Map([
  ['CURRENT', word('current', 'good', 'It serves the head of the log.')],
  ['LAGGING', word('catching up', 'calm', 'It is behind the head, and moving.')],
  ['STUCK', word('stuck', 'bad', 'It is behind the head and has not moved for 10 seconds.')],
  ['STALE', word('silent', 'bad', 'It has not been heard of for 15 seconds.')],
  ['NACKED', word('holding back', 'warn', 'It serves, but keeps an entity as it was.')],
  ['DIVERGED', word('diverged', 'bad', 'It has another state than ours at the same commit.')],
  ['AHEAD', word('ahead', 'bad', 'It knows commits that our log does not have.')],
  ['SKEWED', word('other release', 'warn', 'It is of a release that folds the log differently.')],
  [
    'BLOCKED_BY_FLOOR',
    word('below the floor', 'warn', 'Its release is below the floor: it stays where it is.'),
  ],
])

const STATES = new Map([
  ['enabled', word('enabled', 'good', 'It takes requests.')],
  ['disabled', word('disabled', 'bad', 'Nothing is sent to it.')],
  ['draining', word('draining', 'warn', 'It finishes what it has and gets nothing new.')],
  ['active', word('active', 'good', 'It is accepted.')],
  ['suspended', word('suspended', 'warn', 'It is refused until it is resumed.')],
  ['revoked', word('revoked', 'bad', 'It is refused for ever.')],
])

const OUTCOMES = new Map([
  ['success', word('answered', 'good', 'An answer, to its end.')],
  ['throttled', word('throttled', 'warn', 'The provider said: over a rate limit.')],
  ['overloaded', word('overloaded', 'warn', 'The provider said: out of capacity.')],
  ['fault', word('failed', 'bad', 'An error of the provider, a broken connection, or no answer at all.')],
  ['timeout', word('too slow', 'bad', 'No connection, no first or no next byte in time.')],
  ['cut', word('broken off', 'bad', 'It ended after content had reached the client.')],
  ['unauthorised', word('key refused', 'bad', 'The provider refused our credential.')],
  ['exhausted', word('no quota', 'bad', 'The money or quota of our credential is gone.')],
  ['missing', word('unknown model', 'warn', 'The provider does not serve this model.')],
  ['invalid', word('bad request', 'calm', "The client's own mistake; counts against nobody.")],
  ['cancelled', word('client left', 'calm', 'The client hung up; counts against nobody.')],
  ['lost', word('lost', 'bad', 'The node died before anybody knew what became of it.')],
])

/** Of requests that came to no model: there is none of that name, or they were turned away before. */
export const NO_MODEL = 'none: turned away'

const unknown = (text: string): Word => word(text.toLowerCase(), 'calm', text)

export const nodeState = (state: string): Word => NODE_STATES.get(state) ?? unknown(state)
export const stateWord = (state: string): Word => STATES.get(state) ?? unknown(state)
export const outcomeWord = (outcome: string): Word => OUTCOMES.get(outcome) ?? unknown(outcome)

/** Of a status as the client saw it. */
export function statusWord(status: number): Word {
  if (status === 499) return word('499', 'calm', 'The client left before the end.')
  if (status >= 500) return word(String(status), 'bad', 'It was not answered.')
  if (status >= 400) return word(String(status), 'warn', 'It was refused.')
  return word(String(status), 'good', 'It was answered.')
}

const STRATEGIES = new Map([
  ['balanced', 'balanced: the weights as set, times health'],
  ['latency', 'latency: quicker targets preferred'],
  ['cost', 'cost: cheaper targets preferred'],
  ['weights', 'weights: the weights alone, whatever the prober says'],
])
export const STRATEGY_CHOICES: readonly (readonly [string, string])[] = [...STRATEGIES]

const KINDS = new Map([
  ['logical', 'a logical model'],
  ['alias', 'an alias of a logical model'],
  ['listed', 'a model that providers list'],
  ['pinned', 'one provider, named by the client'],
  ['unknown', 'nobody is known to serve it'],
])
export const kindWords = (kind: string): string => KINDS.get(kind) ?? kind

const VERDICTS = new Map([
  [
    'equal',
    word('the same again', 'good', 'Made again from the log, every choice comes out as it was recorded.'),
  ],
  [
    'different',
    word('differs', 'bad', 'Made again from the log, a choice comes out otherwise than recorded.'),
  ],
  [
    'unknown',
    word('cannot be told', 'warn', 'The record does not hold what it takes to make the choice again.'),
  ],
])
export const verdictWord = (verdict: string): Word => VERDICTS.get(verdict) ?? unknown(verdict)

/** `RouteTargetsSet` → `route targets set` */
export const eventWords = (type: string): string => type.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase()
