/**
 * Compiled deployments by hand, for tests of what works on them.
 */
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { endpointsOf } from '#contracts/catalog/endpoints.ts'
import { credentialId, deploymentId, providerId } from '#contracts/ids.ts'
import type { Candidate, Deployment, Lane } from '#data-plane/routing/snapshot.ts'

let slots = 0

export const lane = (name: string | null = null, weight = 1): Lane => ({
  slot: slots++,
  credential: name === null ? null : credentialId(name),
  weight,
  headers: name === null ? [] : ['authorization', `Bearer ${name}`],
})

export function deployment(provider: string, over: Partial<Deployment> = {}): Deployment {
  const model = over.model ?? 'm'
  const timeouts = { connectMs: 500, answerMs: 1_000, firstTokenMs: 1_000, idleMs: 1_000 }
  return {
    id: deploymentId(providerId(provider), model),
    slot: slots++,
    provider: providerId(provider),
    kind: 'openai',
    dialects: ['openai-chat'],
    providerSlot: slots++,
    model,
    modelJson: Buffer.from(JSON.stringify(model)),
    modelHeader: model,
    origin: 'http://127.0.0.1:9',
    allowPrivate: true,
    endpoints: endpointsOf('openai', 'http://127.0.0.1:9/v1').paths(model),
    lanes: [lane()],
    timeouts,
    retryable: null,
    maxQps: Infinity,
    maxConcurrency: Infinity,
    cost: null,
    region: null,
    capabilities: () => capabilitiesOf('openai', '127.0.0.1', model, {}),
    ...over,
  }
}

export const candidate = (
  provider: string,
  over: Partial<Omit<Candidate, 'deployment'>> = {},
): Candidate => ({
  deployment: deployment(provider),
  tier: 0,
  weight: 1,
  ...over,
})
