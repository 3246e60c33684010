/**
 * The command line without a process: what was asked, what it wrote, how it ended.
 */
import { runCli, type CliPorts } from '#control-plane/admin/cli.ts'
import { ADMIN_TOKEN } from './admin-plane.ts'

export type Ran = Readonly<{ status: number; out: string; error: string }>

/**
 * @param url of a control plane; null: none is known.
 * @param more ports, where the usual ones will not do: no files, and nothing on standard input.
 */
export async function runCommand(
  url: string | null,
  args: readonly string[],
  more: Partial<CliPorts> = {},
): Promise<Ran> {
  let [out, error] = ['', '']
  const status = await runCli(args, {
    env: url === null ? {} : { APIPROXY_ADMIN_URL: url, APIPROXY_ADMIN_TOKEN: ADMIN_TOKEN },
    version: '1.2.3',
    out: (text) => void (out += text),
    error: (text) => void (error += text),
    readText: (path) => Promise.reject(new Error(path)),
    readInput: () => Promise.resolve(''),
    ...more,
  })
  return { status, out, error }
}
