/**
 * A ledger on paper: commands are decided and folded as they would be, and nothing is written.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { streamOf, type Command } from '../commands/command.ts'
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

/** On paper a file may also speak of what the environment or the process's own file declares. */
function sketched(catalog: Catalog, command: Command): Catalog {
  if (command.type !== 'ApplyConfig') return catalog
  const providers = new Set<string>(command.state.providers.map(({ id }) => id))
  const models = new Set<string>(command.state.models.map(({ name }) => name))
  return {
    ...catalog,
    providers: new Map(
      [...catalog.providers].map(([id, one]) => [id, providers.has(id) ? { ...one, origin: 'api' } : one]),
    ),
    models: new Map(
      [...catalog.models].map(([name, one]) => [name, models.has(name) ? { ...one, origin: 'api' } : one]),
    ),
  }
}
