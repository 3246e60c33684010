/**
 * In which dialect a deployment is asked, and where.
 *
 * Pure. The client's own where the deployment speaks it: nothing is lost then. Else the one the deployment
 * speaks best.
 */
import type { DialectName } from '../../dialects/canonical/request.ts'
import type { Deployment } from '../../routing/snapshot.ts'

export function upstreamDialect({ dialects }: Deployment, client: DialectName): DialectName {
  return dialects.includes(client) ? client : (dialects[0] ?? 'openai-chat')
}

/** @returns path and query; null: the deployment has no such place. */
export function generatePath(deployment: Deployment, dialect: DialectName, stream: boolean): string | null {
  const { chat, responses, messages, generate, generateStream } = deployment.endpoints
  switch (dialect) {
    case 'openai-chat':
      return chat
    case 'openai-responses':
      return responses
    case 'anthropic':
      return messages
    case 'gemini':
      return stream ? generateStream : generate
    default:
      return dialect satisfies never
  }
}
