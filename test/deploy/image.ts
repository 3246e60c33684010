/**
 * The Dockerfile's instructions, and which files `.dockerignore` lets in.
 */
import { matchesGlob } from 'node:path'
import { read } from './repository.ts'

export type Instruction = Readonly<{ name: string; text: string }>

/** Instructions in order, continued lines joined. */
export function instructions(): readonly Instruction[] {
  return read('Dockerfile')
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', ...words] = line.split(' ')
      return { name, text: words.join(' ') }
    })
}

/** As Docker decides: the last rule that matches the file, or a folder it is in, counts. */
export function entersImage(path: string): boolean {
  const rules = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const folders = path.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/'))
  const deciding = rules.findLast((rule) => folders.some((folder) => matches(folder, rule.replace(/^!/, ''))))
  return deciding?.startsWith('!') ?? true
}

/** Docker's star also stands for a leading dot; Node's does not. */
const matches = (path: string, rule: string): boolean => rule === '*' || matchesGlob(path, rule)
