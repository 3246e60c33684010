/**
 * What makes worlds quick: pure functions of the product are computed once for the same arguments.
 *
 * In a world every commit is opened, checked and hashed by everybody who gets it. The functions stay the
 * product's own, also when a bug was planted in them; only what they said before is not worked out again.
 */
import type { Change } from './releases.ts'

type Remember = <Value>(key: object | string, more: unknown, work: () => Value) => Value

declare global {
  var worldMemory: (() => Remember) | undefined
}

/** Texts remembered by one function; then it starts over. */
const MOST_TEXTS = 2_000

/** A memory for one function of one release. */
globalThis.worldMemory = () => {
  const objects = new WeakMap<object, { more: unknown; value: unknown }>()
  const texts = new Map<string, { more: unknown; value: unknown }>()
  return (key, more, work) => {
    const known = typeof key === 'string' ? texts.get(key) : objects.get(key)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stored below, by the same function
    if (known !== undefined && known.more === more) return known.value as ReturnType<typeof work>
    const value = work()
    if (typeof key !== 'string') objects.set(key, { more, value })
    else {
      if (texts.size >= MOST_TEXTS) texts.clear()
      texts.set(key, { more, value })
    }
    return value
  }
}

/** @param key what it depends on, beside what `more` names. */
function remembering(
  file: string,
  [name, parameters, result]: readonly [name: string, parameters: string, result: string],
  [key, more, args]: readonly [key: string, more: string, args: string],
): Change {
  const fresh = `${name}Anew`
  const isExported = !PRIVATE.has(name)
  const find = `${isExported ? 'export ' : ''}function ${name}(${parameters}): ${result} {`
  const put = [
    `const ${name}Memory = globalThis.worldMemory();`,
    `${isExported ? 'export ' : ''}const ${name} = (${parameters}): ${result} =>`,
    ` ${name}Memory(${key}, ${more}, () => ${fresh}(${args}));`,
    `function ${fresh}(${parameters}): ${result} {`,
  ]
  return { file, find, put: put.join('') }
}

const PRIVATE = new Set(['entityDigest'])

export const QUICK: readonly Change[] = [
  remembering(
    'contracts/commit/signed.ts',
    ['openCommit', 'signed: string, key: Uint8Array', 'Result<WireCommit, string>'],
    ['signed', 'key', 'signed, key'],
  ),
  remembering(
    'contracts/commit/signed.ts',
    ['signCommit', 'commit: WireCommit, key: Uint8Array', 'string'],
    ['commit', 'key', 'commit, key'],
  ),
  remembering(
    'contracts/commit/commit.ts',
    ['readCommit', 'wire: WireCommit', 'Commit'],
    ['wire', 'null', 'wire'],
  ),
  remembering(
    'contracts/commit/chain.ts',
    ['verifyCommit', 'wire: WireCommit, prev: string', 'Result<true, ChainProblem>'],
    ['wire', 'prev', 'wire, prev'],
  ),
  remembering(
    'contracts/commit/digest.ts',
    ['entityDigest', 'kind: Kind, id: string, entity: Json', 'bigint'],
    [
      'typeof entity === "object" && entity !== null ? entity : `${id} ${entity}`',
      'kind',
      'kind, id, entity',
    ],
  ),
]
