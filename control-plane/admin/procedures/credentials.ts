/**
 * Secrets of providers. They go in and never come out: the log and every answer know a credential by its
 * id, its label and a fingerprint.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Credential } from '#contracts/catalog/provider.ts'
import { ProviderIdText } from '#contracts/catalog/provider.ts'
import { credentialId, providerId, secretId, type CredentialId } from '#contracts/ids.ts'
import { secretFingerprint, type MasterKey } from '#contracts/security/master-key.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import { Secret } from '#contracts/security/secret.ts'
import type { NewCredential } from '../../commands/command.ts'
import type { SealedSecret } from '../../store/event-log.ts'
import { procedure, router } from '../trpc.ts'
import { carryOut, changing, expecting } from '../change.ts'

/** It travels in a header, so it must be able to. */
const ApiKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, 'must be 1-4096 printable ASCII characters without spaces')
  .transform((text) => new Secret(text))
  .meta({ secret: true, description: "The provider's secret; it is sealed and never shown again." })

const CredentialIdText = z.string().min(1).max(64)

export const CredentialInput = z.strictObject({
  apiKey: ApiKey,
  label: z.string().min(1).max(200).optional().describe('To recognise it by.'),
  weight: z
    .number()
    .positive()
    .max(1_000_000)
    .default(1)
    .describe('Share among the credentials of its provider.'),
})
export type CredentialInput = Readonly<z.infer<typeof CredentialInput>>

export type CredentialView = Readonly<{
  id: CredentialId
  label: string | null
  fingerprint: string
  weight: number
}>

export const viewCredential = ({ id, label, fingerprint, weight }: Credential): CredentialView => ({
  id,
  label: label ?? null,
  fingerprint,
  weight,
})

export const newCredentialId = (): CredentialId => credentialId(`cred_${randomUUID().replaceAll('-', '')}`)

/** Seals a secret for the vault. A secret id is used once: a rotated credential has a new one. */
export function sealCredential(
  masterKey: MasterKey,
  id: CredentialId,
  { apiKey, label, weight }: CredentialInput,
): Readonly<{ credential: NewCredential; secret: SealedSecret }> {
  const place = secretId(`sec_${randomUUID().replaceAll('-', '')}`)
  const fingerprint = secretFingerprint(masterKey.fingerprint, apiKey)
  return {
    credential: { id, secretId: place, fingerprint, label: label ?? null, weight },
    secret: { id: place, sealed: sealSecret(masterKey.vault, place, apiKey) },
  }
}

export const credentials = router({
  add: procedure
    .meta({ description: 'Add a secret to a provider.' })
    .input(z.strictObject({ id: ProviderIdText, ...CredentialInput.shape, ...expecting, ...changing }))
    .mutation(({ ctx, input }) => {
      const { id, expectedVersion } = input
      const { credential, secret } = sealCredential(ctx.masterKey, newCredentialId(), input)
      return carryOut(ctx, input, {
        command: { type: 'AddCredential', id: providerId(id), credential, expectedVersion },
        ids: { credential: credential.id },
        secrets: [secret],
      })
    }),

  rotate: procedure
    .meta({ description: 'Put a new secret in the place of an old one.' })
    .input(
      z.strictObject({
        id: ProviderIdText,
        credentialId: CredentialIdText,
        apiKey: ApiKey,
        ...expecting,
        ...changing,
      }),
    )
    .mutation(({ ctx, input }) => {
      const { id, apiKey, expectedVersion } = input
      const known = credentialId(input.credentialId)
      // Label and weight stay what they are: the event does not carry them.
      const { credential, secret } = sealCredential(ctx.masterKey, known, { apiKey, weight: 1 })
      return carryOut(ctx, input, {
        command: { type: 'RotateCredential', id: providerId(id), credential, expectedVersion },
        ids: { credential: known },
        secrets: [secret],
      })
    }),

  revoke: procedure
    .meta({ description: 'Take a secret away from a provider.' })
    .input(z.strictObject({ id: ProviderIdText, credentialId: CredentialIdText, ...expecting, ...changing }))
    .mutation(({ ctx, input }) => {
      const { id, expectedVersion } = input
      const known = credentialId(input.credentialId)
      return carryOut(ctx, input, {
        command: { type: 'RevokeCredential', id: providerId(id), credentialId: known, expectedVersion },
        ids: { credential: known },
      })
    }),
})
