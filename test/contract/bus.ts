/**
 * What every bus must do, whatever carries it. Run on the in-process bus and on NATS by `bus.test.ts`.
 */
import { randomInt } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { BusUnavailable, type Bus, type Delivery } from '#contracts/bus/bus.ts'
import { eventually } from '../eventually.ts'

/** One bus, that any number of members can join. */
export type BusHost = AsyncDisposable & Readonly<{ prefix: string; join: () => Promise<Bus> }>

/** Every test takes an epoch of its own: streams are not emptied. */
const anEpoch = (): number => randomInt(1, 1_000_000_000)

export function busContract(name: string, start: () => Promise<BusHost>): void {
  describe(`the bus, ${name}`, () => {
    let host: BusHost
    let bus: Bus
    const members: Bus[] = []

    const join = async (): Promise<Bus> => {
      const member = await host.join()
      members.push(member)
      return member
    }

    /** Collects what a subject brings, and says when it is really subscribed. */
    const collect = async (member: Bus, subject: string, ping: string): Promise<string[]> => {
      const heard: string[] = []
      member.subscribe(subject, (text) => heard.push(text))
      await eventually(() => {
        member.publish(ping, 'ping')
        return heard.length > 0
      })
      // Later pings may still be on their way; none of them is a message of the test.
      return heard
    }

    const said = (heard: readonly string[]): readonly string[] => heard.filter((text) => text !== 'ping')

    beforeAll(async () => {
      host = await start()
      bus = await host.join()
    })
    afterEach(async () => {
      for (const member of members.splice(0)) await member[Symbol.asyncDispose]()
    })
    afterAll(async () => {
      await bus[Symbol.asyncDispose]()
      await host[Symbol.asyncDispose]()
    })

    describe('publishing', () => {
      test('reaches every subscriber, the publisher too, in order', async () => {
        const subject = `${host.prefix}.order`
        const other = await join()
        const mine = await collect(bus, subject, subject)
        const theirs = await collect(other, subject, subject)
        const texts = Array.from({ length: 100 }, (_, at) => `message ${at}`)
        for (const text of texts) expect(bus.publish(subject, text)).toBe(true)
        await eventually(() => said(mine).length === 100 && said(theirs).length === 100)
        expect(said(mine)).toEqual(texts)
        expect(said(theirs)).toEqual(texts)
      })

      test('calls back in a later turn, never inside publish', async () => {
        const subject = `${host.prefix}.turn`
        const heard = await collect(bus, subject, subject)
        bus.publish(subject, 'later')
        expect(said(heard)).toEqual([])
        await eventually(() => said(heard).length === 1)
      })

      test('carries any text unchanged', async () => {
        const subject = `${host.prefix}.text`
        const heard = await collect(bus, subject, subject)
        const texts = ['', ' ', '{"a":"é\\u0000"}', '日本語 🎉', 'line\r\nline\n', 'x'.repeat(500_000)]
        for (const text of texts) bus.publish(subject, text)
        await eventually(() => said(heard).length === texts.length)
        expect(said(heard)).toEqual(texts)
      })

      test('matches exactly one token with a star', async () => {
        const heard = await collect(bus, `${host.prefix}.tel.*`, `${host.prefix}.tel.self`)
        bus.publish(`${host.prefix}.tel`, 'too short')
        bus.publish(`${host.prefix}.tel.a.b`, 'too long')
        bus.publish(`${host.prefix}.other.a`, 'elsewhere')
        bus.publish(`${host.prefix}.tel.node-1`, 'one')
        bus.publish(`${host.prefix}.tel.node-2`, 'two')
        await eventually(() => said(heard).length >= 2)
        expect(said(heard)).toEqual(['one', 'two'])
      })

      test('reaches nobody after the subscription has ended', async () => {
        const subject = `${host.prefix}.ended`
        const heard: string[] = []
        const end = bus.subscribe(subject, (text) => heard.push(text))
        const witness = await collect(bus, subject, subject)
        end()
        end()
        heard.length = 0
        bus.publish(subject, 'after')
        await eventually(() => said(witness).length === 1)
        expect(said(heard)).toEqual([])
      })

      test('is dropped, and says so, once the member has left', async () => {
        const leaver = await host.join()
        expect(leaver.connected).toBe(true)
        await leaver[Symbol.asyncDispose]()
        expect(leaver.connected).toBe(false)
        expect(leaver.publish(`${host.prefix}.gone`, 'x')).toBe(false)
      })
    })

    describe('the commit stream', () => {
      test('is not there until it is made, and empty then', async () => {
        const epoch = anEpoch()
        expect(await bus.commits.range(epoch)).toBeNull()
        expect(await bus.commits.append(epoch, 1, 'x')).toBe('conflict')
        await expect(bus.commits.read(epoch, 1)).rejects.toThrow(BusUnavailable)
        await bus.commits.create(epoch, 1)
        expect(await bus.commits.range(epoch)).toEqual({ first: 1, last: 0 })
        expect(await bus.commits.read(epoch, 1)).toBeNull()
      })

      test('may be made by several at once, and again later, without losing anything', async () => {
        const epoch = anEpoch()
        const other = await join()
        await Promise.all([
          bus.commits.create(epoch, 1),
          other.commits.create(epoch, 1),
          bus.commits.create(epoch, 1),
        ])
        await bus.commits.append(epoch, 1, 'first')
        await other.commits.create(epoch, 1)
        expect(await other.commits.read(epoch, 1)).toBe('first')
      })

      test('keeps commits under their own numbers', async () => {
        const epoch = anEpoch()
        await bus.commits.create(epoch, 1)
        for (let commit = 1; commit <= 5; commit++) {
          expect(await bus.commits.append(epoch, commit, `commit ${commit}`)).toBe('stored')
        }
        expect(await bus.commits.range(epoch)).toEqual({ first: 1, last: 5 })
        expect(await bus.commits.read(epoch, 3)).toBe('commit 3')
        expect(await bus.commits.read(epoch, 6)).toBeNull()
      })

      test('refuses every commit but the next, and stores nothing of it', async () => {
        const epoch = anEpoch()
        await bus.commits.create(epoch, 1)
        expect(await bus.commits.append(epoch, 2, 'too early')).toBe('conflict')
        await bus.commits.append(epoch, 1, 'one')
        expect(await bus.commits.append(epoch, 1, 'again')).toBe('conflict')
        expect(await bus.commits.append(epoch, 1, 'one')).toBe('conflict')
        expect(await bus.commits.append(epoch, 3, 'too far')).toBe('conflict')
        expect(await bus.commits.range(epoch)).toEqual({ first: 1, last: 1 })
        expect(await bus.commits.read(epoch, 1)).toBe('one')
      })

      test('takes 256 commits in flight at once, in order', async () => {
        const epoch = anEpoch()
        await bus.commits.create(epoch, 1)
        const numbers = Array.from({ length: 256 }, (_, at) => at + 1)
        const answers = await Promise.all(
          numbers.map((commit) => bus.commits.append(epoch, commit, `c${commit}`)),
        )
        expect(new Set(answers)).toEqual(new Set(['stored']))
        expect(await bus.commits.range(epoch)).toEqual({ first: 1, last: 256 })
        expect(await bus.commits.read(epoch, 200)).toBe('c200')
      })

      test('stores each commit once when two write at the same time', async () => {
        const epoch = anEpoch()
        const other = await join()
        await bus.commits.create(epoch, 1)
        const writer = async (member: Bus, who: string): Promise<number> => {
          let stored = 0
          for (let commit = 1; commit <= 50; commit++) {
            if ((await member.commits.append(epoch, commit, `${commit} by ${who}`)) === 'stored') stored += 1
          }
          return stored
        }
        const [mine, theirs] = await Promise.all([writer(bus, 'me'), writer(other, 'them')])
        expect(mine + theirs).toBe(50)
        expect(await bus.commits.range(epoch)).toEqual({ first: 1, last: 50 })
        for (const commit of [1, 25, 50]) {
          expect(await other.commits.read(epoch, commit)).toMatch(new RegExp(`^${commit} by (me|them)$`))
        }
      })

      test('sends every stored commit to whoever listens, once and in order', async () => {
        const epoch = anEpoch()
        const other = await join()
        await bus.commits.create(epoch, 1)
        const heard: string[] = []
        const end = other.commits.live(epoch, (text) => heard.push(text))
        // The subscription is under way before its first message is stored: same connection, same order.
        await other.commits.range(epoch)
        for (let commit = 1; commit <= 20; commit++) await bus.commits.append(epoch, commit, `live ${commit}`)
        await bus.commits.append(epoch, 7, 'refused')
        await eventually(() => heard.length >= 20)
        expect(heard).toEqual(Array.from({ length: 20 }, (_, at) => `live ${at + 1}`))
        end()
        await other.commits.range(epoch)
        await bus.commits.append(epoch, 21, 'unheard')
        await other.commits.range(epoch)
        expect(heard).toHaveLength(20)
      })

      test('keeps epochs apart', async () => {
        const [one, two] = [anEpoch(), anEpoch()]
        await bus.commits.create(one, 1)
        await bus.commits.create(two, 1)
        await bus.commits.append(one, 1, 'of one')
        expect(await bus.commits.range(two)).toEqual({ first: 1, last: 0 })
        expect(await bus.commits.read(two, 1)).toBeNull()
      })

      test('takes a commit of the largest size', async () => {
        const epoch = anEpoch()
        await bus.commits.create(epoch, 1)
        const text = 'c'.repeat(600 * 1024)
        expect(await bus.commits.append(epoch, 1, text)).toBe('stored')
        expect(await bus.commits.read(epoch, 1)).toBe(text)
      })
    })

    describe('usage', () => {
      const publish = (member: Bus, id: string, text: string): Promise<void> =>
        member.usage.publish(id, Buffer.from(text))
      const textsOf = (taken: readonly Delivery[]): readonly string[] =>
        taken.map(({ bytes }) => new TextDecoder().decode(bytes))

      /** Takes until there is nothing more, and says it is done. */
      const drain = async (member: Bus): Promise<readonly string[]> => {
        const texts: string[] = []
        for (;;) {
          const taken = await member.usage.take(100, 20)
          if (taken.length === 0) return texts
          texts.push(...textsOf(taken))
          for (const { done } of taken) await done()
        }
      }

      test('is kept until somebody takes it, in order, and gone when it is done', async () => {
        const other = await join()
        for (let at = 0; at < 5; at++) await publish(bus, `kept-${at}`, `record ${at}`)
        expect(await drain(other)).toEqual(Array.from({ length: 5 }, (_, at) => `record ${at}`))
        expect(await drain(bus)).toEqual([])
      })

      test('of one id is kept once', async () => {
        const other = await join()
        await publish(bus, 'once', 'first')
        await publish(other, 'once', 'again')
        expect(await drain(bus)).toEqual(['first'])
        await publish(bus, 'once', 'late')
        expect(await drain(bus)).toEqual([])
      })

      test('is given to one taker at a time', async () => {
        const other = await join()
        for (let at = 0; at < 20; at++) await publish(bus, `shared-${at}`, `s${at}`)
        const [mine, theirs] = await Promise.all([bus.usage.take(10, 20), other.usage.take(10, 20)])
        const texts = textsOf([...mine, ...theirs])
        expect(new Set(texts).size).toBe(20)
        for (const { done } of [...mine, ...theirs]) await done()
        expect(await drain(bus)).toEqual([])
      })

      test('is given out no more at once than was asked for', async () => {
        for (let at = 0; at < 5; at++) await publish(bus, `few-${at}`, `f${at}`)
        const taken = await bus.usage.take(2, 20)
        expect(textsOf(taken)).toEqual(['f0', 'f1'])
        for (const { done } of taken) await done()
        expect(await drain(bus)).toEqual(['f2', 'f3', 'f4'])
      })

      test('reaches who waits for it', async () => {
        const other = await join()
        const waiting = other.usage.take(10, 5_000)
        await publish(bus, 'awaited', 'here')
        const taken = await waiting
        expect(textsOf(taken)).toEqual(['here'])
        for (const { done } of taken) await done()
      })

      test('takes a message of the largest size', async () => {
        const text = 'u'.repeat(600 * 1024)
        await publish(bus, 'large', text)
        expect(await drain(bus)).toEqual([text])
      })

      test('is what it was when it was published, whatever becomes of those bytes', async () => {
        const bytes = Buffer.from('first')
        for (const text of ['first', 'other', 'third']) {
          bytes.write(text)
          await bus.usage.publish(`lent-${text}`, bytes)
        }
        bytes.fill(0)
        expect(await drain(bus)).toEqual(['first', 'other', 'third'])
      })

      test('cannot be told to a bus that was left', async () => {
        const leaver = await host.join()
        await leaver[Symbol.asyncDispose]()
        await expect(publish(leaver, 'left', 'x')).rejects.toThrow(BusUnavailable)
        await expect(leaver.usage.take(1, 10)).rejects.toThrow(BusUnavailable)
      })
    })

    describe('a register', () => {
      let at = 0
      const aKey = (): string => `key.${(at += 1)}`

      test('is not there until it is written', async () => {
        const key = aKey()
        expect(await bus.registers.get(key)).toBeNull()
        const revision = await bus.registers.put(key, 'value', 0)
        expect(await bus.registers.get(key)).toEqual({ value: 'value', revision })
      })

      test('is made only once when nothing is expected', async () => {
        const key = aKey()
        const other = await join()
        const made = await Promise.all([
          bus.registers.put(key, 'mine', 0),
          other.registers.put(key, 'theirs', 0),
        ])
        expect(made.filter((revision) => revision === 'conflict')).toHaveLength(1)
      })

      test('is written only over the revision that was expected', async () => {
        const key = aKey()
        const first = await bus.registers.put(key, 'one', 0)
        const second = await bus.registers.put(key, 'two', first === 'conflict' ? 0 : first)
        expect(second).toBeGreaterThan(Number(first))
        expect(await bus.registers.put(key, 'stale', Number(first))).toBe('conflict')
        expect(await bus.registers.put(key, 'not new', 0)).toBe('conflict')
        expect((await bus.registers.get(key))?.value).toBe('two')
      })

      test('is written over anything when asked so', async () => {
        const key = aKey()
        const first = await bus.registers.put(key, 'one', 'any')
        const second = await bus.registers.put(key, 'two', 'any')
        expect(Number(second)).toBeGreaterThan(Number(first))
        expect((await bus.registers.get(key))?.value).toBe('two')
      })

      test('lets exactly one of many win each round', async () => {
        const key = aKey()
        const other = await join()
        let held = await bus.registers.put(key, 'round 0', 0)
        for (let round = 1; round <= 5; round++) {
          const expected = Number(held)
          const tries = await Promise.all(
            [bus, other, bus, other].map((member) => member.registers.put(key, `round ${round}`, expected)),
          )
          const won = tries.filter((revision) => revision !== 'conflict')
          expect(won).toHaveLength(1)
          held = won[0] ?? 'conflict'
        }
      })

      test('keeps a value of 100 kB', async () => {
        const key = aKey()
        const value = JSON.stringify(Array.from({ length: 10_000 }, (_, index) => index * 7))
        await bus.registers.put(key, value, 'any')
        expect((await bus.registers.get(key))?.value).toBe(value)
      })
    })
  })
}
