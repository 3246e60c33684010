/**
 * Secrets from files: `APIPROXY_MASTER_KEY_FILE=/run/secrets/key` stands for `APIPROXY_MASTER_KEY` with what
 * that file holds. That is how container platforms hand secrets over without showing them to whoever lists
 * the processes.
 *
 * Called once by each main, before the configuration is read. Files are read by the function it is given.
 */
import type { Env } from './env.ts'
import { err, ok, type Result } from '../result.ts'

/** The settings that are secrets, or carry one. Other programs have `…_FILE` variables of their own. */
const SECRET_FILE =
  /^(APIPROXY_(?:MASTER_KEY|ADMIN_TOKEN|AUTH_TOKEN)|(?:DATABASE|NATS|REDIS)_URL|(?:OPENAI|ANTHROPIC|GEMINI)_API_KEY|LLM_PROVIDER_[A-Z0-9_]+_API_KEYS?)_FILE$/

/**
 * @param readText rejects when there is no such file.
 * @returns the environment with the files' content, without the space around it, in place of their names. A
 *   variable that is set itself wins over its file. Or one line per problem; content is never repeated.
 */
export async function withSecretFiles(
  env: Env,
  readText: (path: string) => Promise<string>,
): Promise<Result<Env, readonly string[]>> {
  const read: Record<string, string | undefined> = { ...env }
  const problems: string[] = []
  for (const [variable, path] of Object.entries(env)) {
    const name = SECRET_FILE.exec(variable)?.[1]
    if (name === undefined) continue
    delete read[variable]
    if (path === undefined || path === '' || (read[name] ?? '') !== '') continue
    try {
      read[name] = (await readText(path)).trim()
      if (read[name] === '') problems.push(`${variable}: ${path} is empty`)
    } catch (error) {
      problems.push(
        `${variable}: cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
  return problems.length === 0 ? ok(read) : err(problems)
}
