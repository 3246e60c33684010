/**
 * Where a conversation lives, and how it got there.
 *
 * Pure. Stored as text: deployment, credential and home, a line each.
 */
import { credentialId, type CredentialId } from '#contracts/ids.ts'

export type Binding = Readonly<{
  /** Deployment it was last served by. */
  deployment: string
  /** Credential it was last served with: prompt caches belong to one. Null: none, or not known. */
  credential: CredentialId | null
  /** Where it was before trouble moved it, to go back to; null: it is where it belongs. */
  home: string | null
}>

export const encodeBinding = ({ deployment, credential, home }: Binding): string =>
  `${deployment}\n${credential ?? ''}\n${home ?? ''}`

/** What earlier versions stored is the deployment alone. */
export function decodeBinding(text: string): Binding {
  const [deployment = '', credential = '', home = ''] = text.split('\n')
  return {
    deployment,
    credential: credential === '' ? null : credentialId(credential),
    home: home === '' ? null : home,
  }
}
