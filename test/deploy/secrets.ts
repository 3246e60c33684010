/**
 * What the compose file's `secrets` service makes, made by running its script here.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { OwnedProcess } from '../processes/owned.ts'
import type { ComposeFile } from './compose.ts'

/** Folders of containers below a folder of this machine. */
const inFolder = (folder: string, text: string): string =>
  text.replaceAll(/(?<![\w.])\/(secrets|database)\b/g, `${folder}/$1`)

/** @returns how to read one of its files, by its path in a container. */
export async function makeSecrets(
  compose: ComposeFile,
  folder: string,
): Promise<(path: string) => Promise<string>> {
  const { entrypoint = [], command } = compose.services['secrets']!
  await Promise.all(['secrets', 'database'].map((name) => mkdir(`${folder}/${name}`, { recursive: true })))
  const [program = '', ...args] = [...entrypoint, ...command].map((text) => inFolder(folder, text))
  const script = await OwnedProcess.start(program, args, { env: { PATH: process.env['PATH'] } })
  const { code } = await script.exited
  if (code !== 0) throw new Error(`the script of 'secrets' ended with ${code}: ${script.lines.join('\n')}`)
  return (path) => readFile(inFolder(folder, path), 'utf8')
}
