/**
 * What embedded mode keeps in its data folder besides the database: the master key and the admin token,
 * made on the first start, readable by the owner alone.
 */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MASTER_KEY_BYTES } from '#contracts/security/master-key.ts'

export type FolderSecret = Readonly<{ text: string; isNew: boolean }>

/** Where the CLI looks for the token of an embedded gateway. */
const ADMIN_TOKEN_FILE = 'admin-token'

export const masterKeyText = (folder: string): Promise<FolderSecret> =>
  keep(join(folder, 'master-key'), () => randomBytes(MASTER_KEY_BYTES).toString('base64'))

export const adminTokenText = (folder: string): Promise<FolderSecret> =>
  keep(join(folder, ADMIN_TOKEN_FILE), () => `ap-admin-${randomBytes(32).toString('base64url')}`)

async function keep(path: string, make: () => string): Promise<FolderSecret> {
  try {
    return { text: (await readFile(path, 'utf8')).trim(), isNew: false }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
  const text = make()
  await writeFile(path, `${text}\n`, { mode: 0o600, flag: 'wx' })
  return { text, isNew: true }
}
