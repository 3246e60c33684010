/**
 * Undoes a range of commits by another commit: every entity they changed becomes what it was before them.
 *
 * Pure. Nothing is undone by halves: what was changed again since, what would leave a reference to nothing,
 * and what is final is refused with its reason. The result is folded and compared before it is written, so
 * that a kind of change nobody taught to be undone is refused, and not done wrongly.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { splitStream, type StreamId } from '#contracts/ids.ts'
import { err, ok } from '#contracts/result.ts'
import type { RevertCommand } from './command.ts'
import type { Decision } from './decide.ts'
import { afterEvents } from './decided.ts'
import type { Issue } from './rejection.ts'
import { contentDigest, entityAt, restoring, type Content } from './restore.ts'

const PATH = 'commit'

export function decideRevert(catalog: Catalog, { entities }: RevertCommand): Decision {
  const issues = entities.flatMap((one) => obstacles(catalog, one))
  if (issues.length > 0) return err({ kind: 'invalid', issues })
  const events = entities.flatMap(({ wanted }) => {
    const now = entityAt(catalog, wanted.stream)
    return now === undefined ? [] : restoring(now, wanted)
  })
  const after = afterEvents(catalog, events)
  const left = entities.flatMap(({ wanted }) => remaining(after, wanted))
  const broken = left.length > 0 ? left : brokenReferences(after)
  return broken.length > 0 ? err({ kind: 'invalid', issues: broken }) : ok(inOrder(events))
}

function obstacles(catalog: Catalog, { wanted, version }: RevertCommand['entities'][number]): Issue[] {
  const { stream } = wanted
  const name = entityName(stream)
  const frozen = catalog.frozen.get(stream)
  if (frozen !== undefined)
    return [{ path: PATH, message: `${name} holds an event that this release cannot read (${frozen.type})` }]
  const now = entityAt(catalog, stream)
  if (catalog.versions.get(stream) !== version) {
    const by = now?.entity === null || now === undefined ? 'a later commit' : `commit ${now.entity.changedAt}`
    const message = `${name} was changed since, by ${by}; revert through that commit to undo both`
    return [{ path: PATH, message }]
  }
  const isRevoked = now?.kind === 'clientkey' && now.entity?.state === 'revoked'
  if (isRevoked && wanted.kind === 'clientkey' && !isGone(wanted))
    return [{ path: PATH, message: `${name} was revoked, which is final; issue a new one` }]
  return []
}

const isGone = ({ entity }: Extract<Content, { kind: 'clientkey' }>): boolean =>
  entity === null || entity.state === 'revoked'

/** What is not as it was, after everything that could be done. */
function remaining(after: Catalog, wanted: Content): Issue[] {
  const reached = entityAt(after, wanted.stream)
  if (reached !== undefined && contentDigest(reached) === contentDigest(wanted)) return []
  const message = `${entityName(wanted.stream)} cannot be made what it was: a change of its kind cannot be undone`
  return [{ path: PATH, message }]
}

function brokenReferences({ providers, models }: Catalog): Issue[] {
  const owners = new Map<string, string>()
  const issues: Issue[] = []
  for (const { name, aliases, targets } of models.values()) {
    for (const { provider } of targets) {
      if (!providers.has(provider))
        issues.push({
          path: PATH,
          message: `model ${name} would name provider ${provider}, which would not be there`,
        })
    }
    for (const owned of [name, ...aliases]) {
      const owner = owners.get(owned)
      if (owner !== undefined && owner !== name)
        issues.push({ path: PATH, message: `${owned} would belong to both model ${owner} and model ${name}` })
      owners.set(owned, name)
    }
  }
  return issues
}

/** For readers: what models need comes before them, what they needed goes after them. */
const inOrder = (events: readonly CatalogEvent[]): readonly CatalogEvent[] => {
  const rank = ({ type, stream }: CatalogEvent): number =>
    type === 'ProviderRemoved' ? 2 : splitStream(stream)[0] === 'provider' ? 0 : 1
  return events.toSorted((a, b) => rank(a) - rank(b))
}

function entityName(stream: StreamId): string {
  const [kind, id] = splitStream(stream)
  return `${kind === 'clientkey' ? 'key' : kind} ${id}`
}
