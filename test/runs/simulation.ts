/**
 * The product's own scheduling code in the scheduling simulator, held to the goals there.
 *
 *     npm run run:simulation                                  # every scenario against the goals, 5 seeds
 *     npm run run:simulation -- --scenarios outage,blackhole  # some of them, as a table
 *     npm run run:simulation -- --fuzz 120 --seeds 1          # random fleets and faults nobody tuned for
 *
 * `--seed-base 700` takes seeds nobody has seen. The simulator is found at `../shared/schedsim` or where
 * `APIPROXY_SCHEDSIM` says; without it nothing is run, and that is said.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    scenarios: { type: 'string' },
    policies: { type: 'string', default: 'apiproxy' },
    seeds: { type: 'string', default: '5' },
    'seed-base': { type: 'string', default: '0' },
    fuzz: { type: 'string' },
    workers: { type: 'string' },
    out: { type: 'string' },
  },
})
const root = resolve(import.meta.dirname, '../..')
const folder = resolve(root, process.env['APIPROXY_SCHEDSIM'] ?? '../shared/schedsim')

if (existsSync(resolve(folder, 'run.mjs'))) await run()
else {
  process.stdout.write(
    `SKIPPED: the scheduling simulator is not at ${folder}. Nothing was run and nothing was proved.\n` +
      'Set APIPROXY_SCHEDSIM to where it is.\n',
  )
}

async function run(): Promise<void> {
  const { scenarios, policies, seeds, fuzz, workers, out } = values
  const isCheck = scenarios === undefined && fuzz === undefined
  const given = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`--${name}`, value]
  const options = [
    ...given('policy-module', resolve(root, 'test/simulation/policy.ts')),
    ...given('policies', isCheck ? policies : `${policies},hybrid`),
    ...given('scenarios', scenarios),
    ...given('seeds', seeds),
    ...given('seed-base', values['seed-base']),
    ...given('fuzz', fuzz),
    ...given('workers', workers),
    ...given('out', out),
    ...(isCheck ? given('check', resolve(folder, 'goals.json')) : fuzz === undefined ? ['--md'] : []),
  ]
  const child = spawn(process.execPath, [resolve(folder, 'run.mjs'), ...options], { stdio: 'inherit' })
  process.exitCode = await new Promise((end) => child.once('exit', (code) => end(code ?? 1)))
}
