/**
 * What can be wished for: every command the control plane knows, as data.
 *
 * Pure. Ids, secrets and times are made outside and come with the command, so that deciding is a function.
 */
import type { BudgetPeriod, BudgetSubject, BudgetTerms } from '#contracts/catalog/money/budget.ts'
import type { ClientKeyState, ContentLog, KeyTerms } from '#contracts/catalog/client-key.ts'
import type { Limits } from '#contracts/catalog/limits.ts'
import type { RouteTarget, RoutingStrategy } from '#contracts/catalog/model.ts'
import type { ProviderDefinition, ProviderState } from '#contracts/catalog/provider.ts'
import {
  budgetStream,
  clientKeyStream,
  modelStream,
  providerStream,
  SYSTEM_STREAM,
  type BudgetId,
  type CredentialId,
  type KeyId,
  type ModelName,
  type ProviderId,
  type SecretId,
  type StreamId,
} from '#contracts/ids.ts'
import type { LimitsPatch, ProviderPatch, ScopesPatch } from './declared/patch.ts'
import type { Content } from './restore.ts'

/** The version of the entity the caller has seen: a change on top of another is refused. */
type Expecting = Readonly<{ expectedVersion: number }>

/** A secret already sealed for the vault; only its place and fingerprint reach the log. */
export type NewCredential = Readonly<{
  id: CredentialId
  secretId: SecretId
  fingerprint: string
  label: string | null
  weight: number
}>

export type ProviderCommand =
  | Readonly<{
      type: 'RegisterProvider'
      id: ProviderId
      definition: ProviderDefinition
      credentials: readonly NewCredential[]
    }>
  | (Expecting & Readonly<{ type: 'UpdateProvider'; id: ProviderId; definition: ProviderDefinition }>)
  | (Expecting & Readonly<{ type: 'EnableProvider' | 'DisableProvider' | 'DrainProvider'; id: ProviderId }>)
  | (Expecting & Readonly<{ type: 'RemoveProvider'; id: ProviderId }>)
  | (Expecting &
      Readonly<{ type: 'AddCredential' | 'RotateCredential'; id: ProviderId; credential: NewCredential }>)
  | (Expecting & Readonly<{ type: 'RevokeCredential'; id: ProviderId; credentialId: CredentialId }>)

/** A logical model as it should be; null: as it is by default. */
export type WantedModel = Readonly<{
  name: ModelName
  targets: readonly RouteTarget[]
  aliases: readonly ModelName[]
  strategy: RoutingStrategy | null
  region: string | null
  limits: Limits | null
}>

export type ModelCommand =
  | (WantedModel & Readonly<{ type: 'CreateModel' }>)
  | (Expecting & Readonly<{ type: 'SetTargets'; name: ModelName; targets: readonly RouteTarget[] }>)
  | (Expecting &
      Readonly<{
        type: 'SetWeights'
        name: ModelName
        weights: readonly Readonly<{ provider: ProviderId; model: string; weight: number }>[]
      }>)
  | (Expecting & Readonly<{ type: 'SetStrategy'; name: ModelName; strategy: RoutingStrategy }>)
  | (Expecting & Readonly<{ type: 'SetRegion'; name: ModelName; region: string | null }>)
  | (Expecting & Readonly<{ type: 'SetLimits'; name: ModelName; limits: Limits }>)
  | (Expecting & Readonly<{ type: 'AddAlias' | 'RemoveAlias'; name: ModelName; alias: ModelName }>)
  | (Expecting & Readonly<{ type: 'RetireModel'; name: ModelName }>)

export type KeyCommand =
  | Readonly<{
      type: 'IssueKey'
      id: KeyId
      name: string
      digest: string
      prefix: string
      expiresAt: number | null
      terms: KeyTerms
    }>
  | (Expecting &
      Readonly<{ type: 'RotateKey'; id: KeyId; digest: string; prefix: string; overlapUntil: number }>)
  | (Expecting & Readonly<{ type: 'SetKeyExpiry'; id: KeyId; expiresAt: number | null }>)
  | (Expecting & Readonly<{ type: 'SetKeyTerms'; id: KeyId; terms: Partial<KeyTerms> }>)
  | (Expecting & Readonly<{ type: 'SuspendKey' | 'ResumeKey' | 'RevokeKey'; id: KeyId }>)

export type BudgetCommand =
  | Readonly<{
      type: 'CreateBudget'
      id: BudgetId
      subject: BudgetSubject
      period: BudgetPeriod
      terms: BudgetTerms
    }>
  | (Expecting & Readonly<{ type: 'SetBudgetTerms'; id: BudgetId; terms: Partial<BudgetTerms> }>)
  | (Expecting & Readonly<{ type: 'RemoveBudget'; id: BudgetId }>)

/** Null: as is usual; absent: it is not said. */
type Said<Value> = Value | null | undefined

type SaidTerms = Readonly<{
  scopes?: Said<ScopesPatch>
  limits?: Said<LimitsPatch>
  owner?: Said<string>
  tags?: Said<readonly string[]>
  keepContext?: Said<boolean>
  contentLog?: Said<ContentLog>
}>

/** Revoking is final: no file can say it. */
export type SaidKeyState = Exclude<ClientKeyState, 'revoked'>

/**
 * What the environment and the file say should be; see `bootstrap/`. What of an entity they do not say is what
 * there is or what is usual, as the command has it: see `declared/unsaid.ts`.
 */
export type DeclaredState = Readonly<{
  providers: readonly Readonly<{
    id: ProviderId
    definition: ProviderPatch & Readonly<{ baseUrl: string }>
    credentials?: readonly NewCredential[] | undefined
    /** Absent: what somebody disabled or drained stays so. */
    state?: Said<ProviderState>
  }>[]
  models: readonly Readonly<{
    name: ModelName
    targets: readonly RouteTarget[]
    aliases?: Said<readonly ModelName[]>
    strategy?: Said<RoutingStrategy>
    region?: Said<string>
    limits?: Said<LimitsPatch>
  }>[]
  keys: readonly Readonly<{
    id: KeyId
    name: string
    digest: string
    prefix: string
    /** Keys that its text was ever of, as the log has it; absent: none. */
    was?: readonly KeyId[] | undefined
    terms: SaidTerms
    /** Absent: one that somebody suspended stays so. */
    state?: Said<SaidKeyState>
    /** Epoch milliseconds, null: never; absent: it is not said, and stays. */
    expiresAt?: Said<number>
  }>[]
  budgets: readonly Readonly<{
    id: BudgetId
    subject: BudgetSubject
    period: BudgetPeriod
    terms: Pick<BudgetTerms, 'amount'> & { readonly [Term in keyof BudgetTerms]?: Said<BudgetTerms[Term]> }
  }>[]
}>

export type SystemCommand =
  | Readonly<{ type: 'CreateGenesis'; logId: string; keyCheck: string }>
  | Readonly<{ type: 'AdvanceEpoch'; expectedEpoch: number }>
  | Readonly<{
      type: 'RaiseFloor'
      minFold: number
      /** Live nodes that would stay behind, in words; empty when that is wanted. */
      blockers: readonly string[]
    }>
  | Readonly<{ type: 'ApplyDeclaration'; state: DeclaredState }>

/** Makes what the API made what a file says. */
export type ConfigCommand = Readonly<{
  type: 'ApplyConfig'
  state: DeclaredState
  /** Retire what the API made and the file does not name. */
  retireOthers: boolean
  /** The head the caller has planned on; null: any. */
  expectedCommit: number | null
}>

/** Makes entities what they were before some commits. */
export type RevertCommand = Readonly<{
  type: 'RevertCommits'
  entities: readonly Readonly<{
    wanted: Content
    /** Of the stream, after those commits: the entity is not undone when it was changed since. */
    version: number
  }>[]
}>

export type Command =
  | ProviderCommand
  | ModelCommand
  | KeyCommand
  | BudgetCommand
  | SystemCommand
  | RevertCommand
  | ConfigCommand

/** @returns the stream of the entity a command is about; of a declaration, which is about many, the system's. */
export function streamOf(command: Command): StreamId {
  switch (command.type) {
    case 'CreateGenesis':
    case 'AdvanceEpoch':
    case 'RaiseFloor':
    case 'ApplyDeclaration':
    case 'RevertCommits':
    case 'ApplyConfig':
      return SYSTEM_STREAM
    case 'CreateModel':
    case 'SetTargets':
    case 'SetWeights':
    case 'SetStrategy':
    case 'SetRegion':
    case 'SetLimits':
    case 'AddAlias':
    case 'RemoveAlias':
    case 'RetireModel':
      return modelStream(command.name)
    case 'IssueKey':
    case 'RotateKey':
    case 'SetKeyExpiry':
    case 'SetKeyTerms':
    case 'SuspendKey':
    case 'ResumeKey':
    case 'RevokeKey':
      return clientKeyStream(command.id)
    case 'CreateBudget':
    case 'SetBudgetTerms':
    case 'RemoveBudget':
      return budgetStream(command.id)
    default:
      return providerStream(command.id)
  }
}
