/**
 * `npm run run:conformance`: every client SDK over every upstream dialect, scenario by scenario, and the page that
 * says what came of it: `test/conformance/CONFORMANCE.md`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { DIALECTS, type DialectName } from '#data-plane/dialects/canonical/request.ts'
import { SCENARIOS, type Given } from '../conformance/page/scenarios.ts'
import { SDK_NAMES, SDKS } from '../conformance/sdk/sdks.ts'
import type { SdkName } from '../conformance/sdk/told.ts'
import { Upstream } from '../conformance/upstream.ts'
import { Gateway } from '../integration/gateway.ts'
import { conclude, say } from './options.ts'

const PAGE = new URL('../conformance/CONFORMANCE.md', import.meta.url)
/** Names that are known for what their models take. */
const MODEL_OF: Readonly<Record<DialectName, string>> = {
  'openai-chat': 'gpt-5.1',
  'openai-responses': 'gpt-5.1',
  anthropic: 'claude-sonnet-4-5',
  gemini: 'gemini-3-flash-preview',
}
const PACKAGES: Readonly<Record<SdkName, string>> = {
  'openai-chat': 'openai',
  'openai-responses': 'openai',
  anthropic: '@anthropic-ai/sdk',
  gemini: '@google/genai',
  'ai-openai-chat': '@ai-sdk/openai',
  'ai-openai-responses': '@ai-sdk/openai',
  'ai-anthropic': '@ai-sdk/anthropic',
  'ai-google': '@ai-sdk/google',
}
const SERVED: Readonly<Record<DialectName, string>> = {
  'openai-chat': 'OpenAI Chat',
  'openai-responses': 'OpenAI Responses',
  anthropic: 'Anthropic Messages',
  gemini: 'Gemini',
}

type Result = Readonly<{
  sdk: SdkName
  dialect: DialectName
  scenario: string
  outcome: string | null | false
}>

globalThis.AI_SDK_LOG_WARNINGS = false
const results: Result[] = []
const versions = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
  devDependencies: Readonly<Record<string, string>>
}
await tryAll()
const failures = results.filter(({ outcome }) => typeof outcome === 'string')
const count = results.filter(({ outcome }) => outcome !== false).length
writeFileSync(PAGE, page())
say(`${count - failures.length} of ${count} as they should be; written to ${PAGE.pathname}`)
conclude(
  failures.map(({ sdk, dialect, scenario, outcome }) => `${sdk} over ${dialect}, ${scenario}: ${outcome}`),
)

async function tryAll(): Promise<void> {
  await using upstream = await Upstream.start()
  const models = Object.fromEntries(DIALECTS.map((dialect) => [`listed-${dialect}`, [`${dialect}/m`]]))
  await using gateway = await Gateway.start({ providers: upstream.providers, models })
  const origin = `http://127.0.0.1:${gateway.port}`
  for (const dialect of DIALECTS) {
    for (const sdk of SDK_NAMES) {
      for (const [at, { name, run }] of SCENARIOS.entries()) {
        const model = `${MODEL_OF[dialect]}-s${at}`
        const given: Given = {
          sdk,
          dialect,
          upstream,
          gateway,
          origin,
          model,
          pinned: `${dialect}/${model}`,
        }
        results.push({ sdk, dialect, scenario: name, outcome: await tried(() => run(given)) })
      }
    }
    say(`${SERVED[dialect]}: tried`)
  }
}

/** @returns null when all is well, false where there is nothing to try, else what is wrong. */
async function tried(run: () => Promise<false | void>): Promise<string | null | false> {
  try {
    return (await run()) === false ? false : null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function page(): string {
  const used = [...new Set([...Object.values(PACKAGES), 'ai'])].toSorted()
  const sections = DIALECTS.flatMap((dialect) => [
    `## To a provider that speaks ${SERVED[dialect]}`,
    '',
    ...table(dialect),
    '',
  ])
  return [
    '# Conformance',
    '',
    'Every official client SDK over every dialect a provider may speak, through a gateway on a port: what was really',
    'sent and heard, written by `npm run run:conformance`. Nothing here is edited by hand.',
    '',
    `APIProxy ${versions.version}; ${used.map((name) => `\`${name}\` ${versions.devDependencies[name]}`).join(', ')}.`,
    '',
    `${count - failures.length} of ${count} as they should be. ✓: as it should be. ✗: not, see below. –: this SDK has no`,
    'such call, or this provider no such service.',
    '',
    ...sections,
    '## Failures',
    '',
    ...(failures.length === 0 ? ['None.'] : failures.map(line)),
    '',
  ].join('\n')
}

function table(dialect: DialectName): readonly string[] {
  const heads = SDK_NAMES.map((sdk) => `${PACKAGES[sdk]} (${SERVED[SDKS[sdk].dialect]})`)
  const rows = SCENARIOS.map(({ name }) => {
    const marks = SDK_NAMES.map((sdk) => {
      const result = results.find(
        (one) => one.sdk === sdk && one.dialect === dialect && one.scenario === name,
      )
      return result?.outcome === null ? '✓' : result?.outcome === false ? '–' : '✗'
    })
    return `| ${name} | ${marks.join(' | ')} |`
  })
  return [`| | ${heads.join(' | ')} |`, `|---|${heads.map(() => '---').join('|')}|`, ...rows]
}

const line = ({ sdk, dialect, scenario, outcome }: Result): string =>
  `- \`${PACKAGES[sdk]}\` (${SERVED[SDKS[sdk].dialect]}) to ${SERVED[dialect]}, ${scenario}: ${String(outcome).replaceAll(/\s+/g, ' ').slice(0, 300)}`
