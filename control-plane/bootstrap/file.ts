/**
 * Providers, logical models, client keys and budgets from a YAML (or JSON) file named by `APIPROXY_CONFIG`.
 *
 * Pure: gets the text. A secret is written as itself or, better, as `${NAME}` of an environment variable.
 */
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { ClientKeyExpiry, ContentLog, KeyOwner, KeyTags } from '#contracts/catalog/client-key.ts'
import {
  LogicalModelDefinition,
  ModelNameText,
  RegionName,
  RoutingStrategy,
} from '#contracts/catalog/model.ts'
import { BaseUrl, ProviderIdText } from '#contracts/catalog/provider.ts'
import { BudgetIdText, BudgetPeriod, BudgetTerms } from '#contracts/catalog/money/budget.ts'
import { budgetId, modelName, providerId } from '#contracts/ids.ts'
import type { Env } from '#contracts/process/env.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { Secret } from '#contracts/security/secret.ts'
import { LimitsPatch, ProviderPatch, ScopesPatch } from '../commands/declared/patch.ts'
import type { Declaration, DeclaredCredential } from './declaration.ts'
import { fillIn, withoutUnknownSecrets } from './variables.ts'

const SecretText = z.string().min(1)

// No schema here has a default: what is not said must be known from what is.
const FileProvider = ProviderPatch.extend({
  baseUrl: BaseUrl,
  state: z.enum(['enabled', 'disabled', 'draining']).nullable().optional(),
  apiKey: SecretText.nullable().optional(),
  apiKeys: z
    .array(
      z.union([
        SecretText,
        z.strictObject({
          key: SecretText,
          weight: z.number().positive().default(1),
          label: z.string().max(200).optional(),
        }),
      ]),
    )
    .max(50)
    .nullable()
    .optional(),
})

const FileModel = z.strictObject({
  targets: LogicalModelDefinition.shape.targets,
  aliases: z.array(ModelNameText).max(100).nullable().optional(),
  strategy: RoutingStrategy.nullable().optional(),
  region: RegionName.nullable().optional(),
  limits: LimitsPatch.nullable().optional(),
})

const terms = BudgetTerms.shape
const fileBudget = {
  period: BudgetPeriod,
  amount: terms.amount,
  warnAt: terms.warnAt.nullable().optional(),
  whenSpent: terms.whenSpent.nullable().optional(),
  onUnreachable: terms.onUnreachable.nullable().optional(),
  unpriced: terms.unpriced.nullable().optional(),
}
const BudgetOfKey = z.strictObject(fileBudget)
/** Of a key in the file it stands with the key; `key` is the id of one that is there already. */
const FileBudget = z.union([
  z.strictObject({ tag: KeyTags.element, ...fileBudget }),
  z.strictObject({ key: z.string().min(1).max(64), ...fileBudget }),
])

/** `2027-01-31T00:00:00Z`, or epoch milliseconds; null: never. */
const FileExpiry = z
  .union([z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)), z.number()])
  .pipe(ClientKeyExpiry.unwrap())
  .nullable()

const FileKey = z.strictObject({
  name: z.string().min(1).max(200),
  key: z.string().min(16),
  state: z.enum(['active', 'suspended']).nullable().optional(),
  scopes: ScopesPatch.nullable().optional(),
  limits: LimitsPatch.nullable().optional(),
  owner: KeyOwner.nullable().optional(),
  tags: KeyTags.nullable().optional(),
  keepContext: z.boolean().nullable().optional(),
  contentLog: ContentLog.nullable().optional(),
  expiresAt: FileExpiry.optional(),
  budgets: z.record(BudgetIdText, BudgetOfKey).default({}),
})

const ConfigFile = z.strictObject({
  providers: z.record(ProviderIdText, FileProvider).default({}),
  models: z.record(ModelNameText, FileModel).default({}),
  keys: z.array(FileKey).default([]),
  budgets: z.record(BudgetIdText, FileBudget).default({}),
})
type ConfigFile = z.infer<typeof ConfigFile>

/**
 * @param name of the file, for messages.
 * @param isOperators the file is the process's own: its providers may live at private addresses, whatever it
 *   says. One sent through the API must say so.
 */
export function readConfigFile(
  text: string,
  name: string,
  env: Env,
  isOperators = true,
): Result<Declaration, readonly string[]> {
  const read = readText(text, name)
  return read.ok ? readValue(read.value, name, env, isOperators) : read
}

/**
 * The same for a file that is only thought about: what has a secret whose variable is not given is left out.
 *
 * @returns in `left` the path of each.
 */
export function readOnPaper(
  text: string,
  name: string,
  env: Env,
): Result<Readonly<{ declaration: Declaration; left: readonly string[] }>, readonly string[]> {
  const read = readText(text, name)
  if (!read.ok) return read
  const { value, left } = withoutUnknownSecrets(read.value, env)
  const declaration = readValue(value, name, env, false)
  return declaration.ok ? ok({ declaration: declaration.value, left }) : declaration
}

function readText(text: string, name: string): Result<unknown, readonly string[]> {
  const document = parseDocument(text)
  return document.errors.length === 0
    ? ok(document.toJS() ?? {})
    : err(document.errors.map((error) => `${name}: ${error.message.split('\n')[0]}`))
}

function readValue(
  document: unknown,
  name: string,
  env: Env,
  isOperators: boolean,
): Result<Declaration, readonly string[]> {
  const { value, missing } = fillIn(document, env)
  if (missing.length > 0)
    return err(missing.map((variable) => `${name}: \${${variable}} is not set in the environment`))
  const parsed = ConfigFile.safeParse(value)
  if (parsed.success) {
    const doubled = doubledBudgets(parsed.data)
    return doubled.length === 0
      ? ok(toDeclaration(parsed.data, isOperators))
      : err(doubled.map((id) => `${name}: budgets.${id}: is named twice`))
  }
  return err(
    parsed.error.issues.map((issue) => `${name}: ${issue.path.join('.') || '(top)'}: ${issue.message}`),
  )
}

function toDeclaration(file: ConfigFile, isOperators: boolean): Declaration {
  return {
    providers: Object.entries(file.providers).map(([id, { apiKey, apiKeys, state, ...definition }]) => ({
      id: providerId(id),
      definition: isOperators ? { ...definition, allowPrivate: true } : definition,
      ...saidCredentials(apiKey, apiKeys),
      ...(state === undefined ? {} : { state }),
    })),
    models: Object.entries(file.models).map(([name, { targets, aliases, ...said }]) => ({
      ...said,
      name: modelName(name),
      targets: targets.map((target) => ({ ...target, provider: providerId(target.provider) })),
      ...(aliases === undefined ? {} : { aliases: aliases?.map(modelName) ?? null }),
    })),
    keys: file.keys.map(asKey),
    budgets: [
      ...file.keys.flatMap(({ key, budgets }) =>
        Object.entries(budgets).map(([id, one]) => asBudget(id, { token: new Secret(key) }, one)),
      ),
      ...Object.entries(file.budgets).map(([id, one]) =>
        'tag' in one ? asBudget(id, { tag: one.tag }, one) : asBudget(id, { key: one.key }, one),
      ),
    ],
  }
}

type FileProvider = z.infer<typeof FileProvider>
type FileCredential = NonNullable<FileProvider['apiKeys']>[number]

function saidCredentials(
  one: FileProvider['apiKey'],
  many: FileProvider['apiKeys'],
): Pick<Declaration['providers'][number], 'credentials'> {
  if (one === undefined && many === undefined) return {}
  return { credentials: [one ?? [], many ?? []].flat().map(asCredential) }
}

const asCredential = (one: FileCredential): DeclaredCredential =>
  typeof one === 'string'
    ? { secret: new Secret(one), label: null, weight: 1 }
    : { secret: new Secret(one.key), label: one.label ?? null, weight: one.weight }

function asKey(file: z.infer<typeof FileKey>): Declaration['keys'][number] {
  const { budgets: _, name, key, expiresAt, state, ...said } = file
  return {
    name,
    token: new Secret(key),
    terms: said,
    ...(state === undefined ? {} : { state }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

type DeclaredBudget = Declaration['budgets'][number]

const asBudget = (
  id: string,
  subject: DeclaredBudget['subject'],
  { period, amount, warnAt, whenSpent, onUnreachable, unpriced }: z.infer<typeof BudgetOfKey>,
): DeclaredBudget => ({
  id: budgetId(id),
  subject,
  period,
  terms: { amount, warnAt, whenSpent, onUnreachable, unpriced },
})

/** A name that is given twice would silently be the one or the other. */
function doubledBudgets({ keys, budgets }: ConfigFile): readonly string[] {
  const ids = [...keys.flatMap((key) => Object.keys(key.budgets)), ...Object.keys(budgets)]
  return [...new Set(ids.filter((id, at) => ids.indexOf(id) !== at))]
}
