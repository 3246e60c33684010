/**
 * Everything declared: the environment, and the file it names.
 */
import type { Env } from '#contracts/process/env.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { joinDeclarations, type Declaration } from './declaration.ts'
import { readConfigFile } from './file.ts'

/** Joins what the environment declares with what the file does, if one is named. */
export async function withConfigFile(
  declaration: Declaration,
  path: string | null,
  env: Env,
  readText: (path: string) => Promise<string>,
): Promise<Result<Declaration, readonly string[]>> {
  if (path === null) return ok(declaration)
  let text: string
  try {
    text = await readText(path)
  } catch (error) {
    return err([
      `APIPROXY_CONFIG: cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
    ])
  }
  const file = readConfigFile(text, path, env)
  return file.ok ? ok(joinDeclarations(declaration, file.value)) : file
}
