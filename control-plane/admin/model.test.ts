/**
 * The admin API against a reference that is nothing but maps: random changes, some of them stale, repeated
 * or senseless, must be answered and must leave the configuration as the reference says.
 */
import { randomUUID } from 'node:crypto'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { refuse, versionOf, type Reference, type Step } from '#test/control-plane/reference.ts'
import { anyStep, OPENING } from '#test/control-plane/steps.ts'
import type { Outcome } from '../commands/ledger.ts'

type Real = Readonly<{ plane: AdminPlane }>

class Change implements fc.AsyncCommand<Reference, Real> {
  readonly #step: Step

  constructor(step: Step) {
    this.#step = step
  }

  check(): boolean {
    return true
  }

  async run(reference: Reference, { plane }: Real): Promise<void> {
    const { send, expected } = this.#step.plan(reference)
    const tag = { commandId: randomUUID() }
    const call = (): Promise<Outcome> => send(plane.api, tag)
    if ('refusal' in expected) {
      expect(await refusalOf(call)).toEqual(expected)
    } else {
      const answer = await call()
      const version = versionOf(reference, expected.stream) + expected.events.length
      const wrote = expected.events.length > 0
      if (wrote) {
        reference.head += 1
        reference.versions.set(expected.stream, version)
      }
      expect(answer).toMatchObject({
        commitNo: reference.head,
        events: expected.events,
        version,
        replayed: false,
      })
      expected.apply(answer.ids)
      if (wrote) reference.done.push({ again: call, answer })
    }
    await compare(reference, plane)
  }

  toString(): string {
    return this.#step.say
  }
}

/** Sends an earlier change once more, whatever happened since. */
class Again implements fc.AsyncCommand<Reference, Real> {
  readonly #which: number

  constructor(which: number) {
    this.#which = which
  }

  check({ done }: Readonly<Reference>): boolean {
    return done.length > 0
  }

  async run(reference: Reference, { plane }: Real): Promise<void> {
    const earlier = reference.done[this.#which % reference.done.length]
    if (earlier === undefined) throw new Error('there is one')
    const answer = await earlier.again()
    const { commitNo, events, version, ids } = earlier.answer
    expect(answer).toMatchObject({ commitNo, events, version, ids, replayed: true })
    await compare(reference, plane)
  }

  toString(): string {
    return `again(${this.#which})`
  }
}

async function refusalOf(call: () => Promise<unknown>): Promise<unknown> {
  const thrown: unknown = await call().then(
    () => new Error('it was accepted'),
    (error: unknown) => error,
  )
  const cause = thrown instanceof Error ? thrown.cause : null
  if (typeof cause !== 'object' || cause === null || !('rejection' in cause)) throw thrown
  const { kind, current, version } = Object.assign(
    { kind: '', current: undefined, version: undefined },
    cause.rejection,
  )
  return refuse(kind, current ?? version)
}

/** The whole configuration of this run, as the API shows it, is the reference's. */
async function compare(reference: Reference, { api, ports }: AdminPlane): Promise<void> {
  expect(ports.ledger.catalog.commit).toBe(reference.head)
  const page = { after: reference.prefix, limit: 20 }
  const mine = <Item>(items: readonly Item[], nameOf: (item: Item) => string): readonly Item[] =>
    items.filter((item) => nameOf(item).startsWith(reference.prefix))
  const { providers } = await api.providers.list(page)
  expect(
    mine(providers, ({ id }) => id).map(({ id, version, state, definition, credentials }) => ({
      id,
      version,
      state,
      name: definition.name,
      weight: definition.routing.weight,
      credentials: credentials.map((one) => one.id),
    })),
  ).toEqual(
    [...reference.providers]
      .map(([id, provider]) => ({ id, version: versionOf(reference, `provider-${id}`), ...provider }))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  )
  const { models } = await api.models.list(page)
  expect(
    mine(models, ({ name }) => name).map(({ name, version, targets, aliases }) => ({
      name,
      version,
      targets,
      aliases,
    })),
  ).toEqual(
    [...reference.models]
      .map(([name, model]) => ({ name, version: versionOf(reference, `model-${name}`), ...model }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  )
  for (const [id, key] of reference.keys) {
    expect((await api.keys.get({ id })).key).toMatchObject({
      id,
      version: versionOf(reference, `clientkey-${id}`),
      ...key,
    })
  }
}

const commands = [
  ...anyStep.map((step) => step.map((one) => new Change(one))),
  fc.nat().map((which) => new Again(which)),
]

let plane: AdminPlane
beforeAll(async () => {
  plane = await openAdminPlane()
})
afterAll(() => plane[Symbol.asyncDispose]())

test('answers and keeps what a reference of plain maps says', { timeout: 120_000 }, async () => {
  let runs = 0
  await fc.assert(
    fc.asyncProperty(
      fc.subarray([...OPENING]),
      fc.commands(commands, { maxCommands: 80, size: 'max' }),
      async (opening, sequence) => {
        runs += 1
        const reference: Reference = {
          prefix: `run${String(runs).padStart(5, '0')}-`,
          providers: new Map(),
          models: new Map(),
          keys: new Map(),
          versions: new Map(),
          head: plane.ports.ledger.catalog.commit,
          done: [],
        }
        for (const step of opening) await new Change(step).run(reference, { plane })
        await fc.asyncModelRun(() => ({ model: reference, real: { plane } }), sequence)
      },
    ),
    { numRuns: 40 },
  )
  // What the API answered from memory is what the log holds.
  const { commits, ok } = await plane.api.audit.verify()
  expect([ok, commits]).toEqual([true, plane.ports.ledger.catalog.commit])
})
