/**
 * A ledger on paper: commands are decided and folded as they would be, and nothing is written.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import type { Origin } from '#contracts/catalog/provider.ts'
import { keyId } from '#contracts/ids.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { isPrivateHost } from '#contracts/security/egress.ts'
import { streamOf, type Command, type DeclaredState } from '../commands/command.ts'
import { keyOfText } from '../commands/decide-key.ts'
import { withKnownKeys } from '../commands/declared/decide-declaration.ts'
import { usualState } from '../commands/declared/unsaid.ts'
import { decide } from '../commands/decide.ts'
import { afterEvents } from '../commands/decided.ts'
import type { FloorStop, Ledger, Outcome, Request } from '../commands/ledger.ts'
import type { Rejection } from '../commands/rejection.ts'

type Drawn = Pick<Ledger, 'catalog' | 'snapshot' | 'stop' | 'catchUp' | 'execute' | 'digestAt'>

export class Sketch implements Drawn {
  readonly stop: FloorStop | null = null
  readonly #base: CatalogSnapshot
  #catalog: Catalog

  constructor(base: CatalogSnapshot) {
    this.#base = base
    this.#catalog = base.catalog
  }

  get catalog(): Catalog {
    return this.#catalog
  }

  get snapshot(): CatalogSnapshot {
    return { ...this.#base, catalog: this.#catalog }
  }

  digestAt(): undefined {
    return undefined
  }

  async catchUp(): Promise<void> {}

  async execute({ command, ids }: Pick<Request, 'command' | 'ids'>): Promise<Result<Outcome, Rejection>> {
    const decision = this.take(command)
    if (!decision.ok) return err(decision.error)
    const version = this.#catalog.versions.get(streamOf(command)) ?? 0
    const outcome = { commitNo: this.#catalog.commit, version, ids, replayed: false }
    return ok({ ...outcome, events: decision.value })
  }

  /** @returns the types of the events that follow. */
  take(command: Command): Result<readonly string[], Rejection> {
    const decision = decide(sketched(this.#catalog, command), command)
    if (!decision.ok) return decision
    if (decision.value.length > 0) this.#catalog = afterEvents(this.#catalog, decision.value)
    return ok(decision.value.map(({ type }) => type))
  }
}

/**
 * A file as it may be on paper: of what applying would refuse and has no bearing on where requests go, nothing
 * is left. So the very file that the process was started with can be asked about.
 *
 * @returns in `left` what was changed of it, in sentences.
 */
export function onPaper(
  catalog: Catalog,
  state: DeclaredState,
): Readonly<{ state: DeclaredState; left: readonly string[] }> {
  const rotated = new Map(
    state.keys.flatMap((key) => {
      const known = keyOfText(catalog, key)
      return known === undefined || known.digest === key.digest ? [] : [[key.id, known.id] as const]
    }),
  )
  const isHidden = ({ id, definition: said }: DeclaredState['providers'][number]): boolean =>
    isPrivateHost(new URL(said.baseUrl).hostname) &&
    (said.allowPrivate ?? catalog.providers.get(id)?.definition.allowPrivate) !== true
  const shown = state.providers.map((one) =>
    isHidden(one) ? { ...one, definition: { ...one.definition, allowPrivate: true } } : one,
  )
  return {
    state: asDeclared(catalog, {
      ...state,
      providers: shown,
      keys: state.keys.filter(({ id }) => !rotated.has(id)),
      budgets: state.budgets.filter(({ subject }) => !('key' in subject && rotated.has(keyId(subject.key)))),
    }),
    left: [
      ...[...rotated.values()].map((id) => `A former text of key ${id} is left out: it was rotated away.`),
      ...state.providers
        .filter(isHidden)
        .map(({ id }) => `Provider ${id} is at a private address, which is taken as allowed.`),
    ],
  }
}

/** Of what the process's own file declares, that file is the whole truth: what it does not say is as usual. */
function asDeclared(catalog: Catalog, state: DeclaredState): DeclaredState {
  const whole = usualState(state)
  const own = <Said>(
    known: Readonly<{ origin: Origin }> | undefined,
    said: Said,
    all: Said | undefined,
  ): Said => (known?.origin === 'declared' && all !== undefined ? all : said)
  return {
    providers: state.providers.map((one, at) => {
      const { definition } = whole.providers[at] ?? one
      const all = { ...one, definition: { ...definition, allowPrivate: true } }
      return own(catalog.providers.get(one.id), one, all)
    }),
    models: state.models.map((one, at) => own(catalog.models.get(one.name), one, whole.models[at])),
    keys: state.keys.map((one, at) => own(catalog.keys.get(one.id), one, whole.keys[at])),
    budgets: state.budgets.map((one, at) => own(catalog.budgets.get(one.id), one, whole.budgets[at])),
  }
}

/** On paper a file may also speak of what the environment or the process's own file declares. */
function sketched(catalog: Catalog, command: Command): Catalog {
  if (command.type !== 'ApplyConfig') return catalog
  const state = withKnownKeys(catalog, command.state)
  const named = {
    providers: new Set<string>(state.providers.map(({ id }) => id)),
    models: new Set<string>(state.models.map(({ name }) => name)),
    keys: new Set<string>(state.keys.map(({ id }) => id)),
    budgets: new Set<string>(state.budgets.map(({ id }) => id)),
  }
  return {
    ...catalog,
    providers: asMadeByApi(catalog.providers, named.providers),
    models: asMadeByApi(catalog.models, named.models),
    keys: asMadeByApi(catalog.keys, named.keys),
    budgets: asMadeByApi(catalog.budgets, named.budgets),
  }
}

const asMadeByApi = <Id extends string, Entity extends Readonly<{ origin: Origin }>>(
  entities: ReadonlyMap<Id, Entity>,
  named: ReadonlySet<string>,
): ReadonlyMap<Id, Entity> =>
  new Map([...entities].map(([id, one]) => [id, named.has(id) ? { ...one, origin: 'api' } : one]))
