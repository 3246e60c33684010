import { MemoryBroker } from '#contracts/bus/memory.ts'
import { NatsBus } from '#contracts/bus/nats.ts'
import { eventually } from '../eventually.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { freshNats } from '../services/services.ts'
import { busContract } from './bus.ts'

busContract('in process', async () => {
  const broker = new MemoryBroker()
  return {
    prefix: 'memory',
    join: async () => broker.connect(),
    [Symbol.asyncDispose]: async () => undefined,
  }
})

busContract('on NATS', async () => {
  const nats = await freshNats()
  const proxy = await FaultProxy.start(nats.url)
  return {
    prefix: nats.prefix,
    join: async () => {
      const bus = new NatsBus({
        url: proxy.via(nats.url),
        prefix: nats.prefix,
        name: 'contract',
        replicas: 1,
        onProblem: (message) => {
          throw new Error(message)
        },
      })
      await eventually(() => bus.connected)
      return bus
    },
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]()
      await nats[Symbol.asyncDispose]()
    },
  }
})
