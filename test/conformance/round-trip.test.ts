/**
 * Every recorded history, into another dialect's words and back: texts, calls, ids and results are all there, in
 * their order, unless it was told that something is lost. (State of reasoning travels in answers, and back: `tool-loops.test.ts`.)
 */
import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import type { ProviderKind } from '#contracts/catalog/provider.ts'
import { objectOf, parseJson, type JsonObject } from '#data-plane/dialects/canonical/json.ts'
import { DIALECTS, type CanonicalRequest, type DialectName } from '#data-plane/dialects/canonical/request.ts'
import type { Loss } from '#data-plane/dialects/canonical/loss.ts'
import { DIALECT } from '#data-plane/dialects/registry.ts'
import { openSealer } from '../arbitraries/canonical.ts'
import { historyOf } from './loops/history.ts'
import { hasRecordings, recordings, type Recording } from './recordings.ts'

/** Models that take all that was recorded. */
const TARGETS: Readonly<Record<DialectName, readonly [ProviderKind, string, string]>> = {
  'openai-chat': ['openai', 'api.openai.com', 'gpt-5.1'],
  'openai-responses': ['openai', 'api.openai.com', 'gpt-5.1'],
  anthropic: ['anthropic', 'api.anthropic.com', 'claude-opus-4-8'],
  gemini: ['gemini', 'generativelanguage.googleapis.com', 'gemini-3-pro-preview'],
}

function read(dialect: DialectName, body: JsonObject): CanonicalRequest {
  const context = { model: 'm', stream: false, headers: {}, framing: 'sse', sealer: openSealer } as const
  const result = DIALECT[dialect].readRequest(body, context)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

function write(dialect: DialectName, request: CanonicalRequest) {
  const [kind, host, model] = TARGETS[dialect]
  const capabilities = capabilitiesOf(kind, host, model, {})
  const written = DIALECT[dialect].writeRequest(request, {
    model,
    provider: 'p',
    capabilities,
    stream: false,
  })
  return { body: objectOf(parseJson(written.body)), losses: written.losses }
}

/** What is said aloud; a run of texts of one side is one text, as some formats have it. */
function said(dialect: DialectName, body: JsonObject): readonly string[] {
  const lines = historyOf(dialect, body).filter((line) => !line.startsWith('state: '))
  const merged: string[] = []
  for (const written of lines) {
    // Only some formats tell a tool's error from its output.
    const line = written.replace(/: \{"(?:error|output)":("(?:[^"\\]|\\.)*")\}$/, ': $1')
    const [side = ''] = line.split(': ', 1)
    const last = merged.at(-1)
    if (last?.startsWith(`${side}: `) === true && (side === 'user' || side === 'text'))
      merged[merged.length - 1] = last + line.slice(side.length + 2)
    else merged.push(line)
  }
  return merged
}

const asked = recordings.filter(
  ({ request, status, path }) => request !== null && status === 200 && !/mbed|countTokens/.test(path),
)
const isPlain = ({ id }: Recording): boolean => !EXCEPTIONS.some(({ recording }) => id.includes(recording))
const pairs = (recording: Recording) =>
  DIALECTS.filter((other) => other !== recording.dialect).map((other) => [recording, other] as const)

/** Not the same lines, though nothing is lost. */
const EXCEPTIONS: readonly Readonly<{ recording: string; reason: string }>[] = [
  {
    recording: 'envoy-chat-detailed-usage',
    reason: 'instructions alone: Gemini wants somebody to say something',
  },
  { recording: 'anthropic_model_empty_message_on_history', reason: 'an empty message comes back as none' },
  { recording: 'text_as_binary_content_input', reason: 'a text in base64 comes back as a text' },
]

describe.runIf(hasRecordings)('a recorded history', () => {
  let compared = 0
  test.each(
    asked
      .filter(isPlain)
      .flatMap(pairs)
      .map(([recording, other]) => [recording.id, other, recording] as const),
  )('%s through %s and back is what it was', (_id, other, { dialect, request }) => {
    const there = write(other, read(dialect, request ?? {}))
    const isAboutTurns = ({ at, refuse }: Loss): boolean => refuse || at.startsWith('turns')
    if (there.losses.some(isAboutTurns)) return
    const back = write(dialect, read(other, there.body))
    compared += 1
    const [first, again] = [
      said(dialect, write(dialect, read(dialect, request ?? {})).body),
      said(dialect, back.body),
    ]
    expect(again).toEqual(first)
  })
  test('is changed, and this told, only now and then', () => {
    if (compared > 0) expect(compared).toBeGreaterThan(asked.length * 2)
  })
})
