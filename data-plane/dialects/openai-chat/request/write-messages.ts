/**
 * System blocks and turns → chat messages.
 *
 * Pure. Results follow their calls directly; media inside them, which chat's tool messages cannot hold, move
 * into a user message after them, each under a name that the result refers to.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import { fits, type Carrier } from '../../canonical/carrier.ts'
import type { JsonObject, JsonValue } from '../../canonical/json.ts'
import type { Losses } from '../../canonical/loss.ts'
import type {
  CanonicalRequest,
  MediaPart,
  Part,
  ReasoningPart,
  SystemBlock,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../../canonical/request.ts'
import { fitCallIds } from '../../repair/call-ids.ts'
import { wrapText } from '../../repair/custom-tools.ts'
import { shortHash } from '../../repair/hash.ts'
import type { ToolNames } from '../../repair/tool-names.ts'
import { pairResults } from '../../repair/turns.ts'
import { isOwnDetail, writeOwnDetails, writeSignature } from '../reasoning.ts'
import { ContentWriter, type WrittenPart } from './write-content.ts'

type Context = Readonly<{
  capabilities: Capabilities
  provider: string
  names: ToolNames
  losses: Losses
  content: ContentWriter
}>

export function writeMessages(
  request: CanonicalRequest,
  target: Readonly<{ capabilities: Capabilities; provider: string }>,
  names: ToolNames,
  losses: Losses,
): readonly JsonObject[] {
  const { capabilities, provider } = target
  const isOpenAi = request.dialect.startsWith('openai')
  const content = new ContentWriter(capabilities, losses, isOpenAi)
  const context: Context = { capabilities, provider, names, losses, content }
  const form = { length: capabilities.callIdLength, form: capabilities.callIdForm }
  const turns = fitCallIds(pairResults(placeSystemTurns(request.turns, context), losses), form)
  const messages = [
    ...writeSystem(request, context),
    ...turns.flatMap((turn, index) => writeTurn(turn, `turns[${index}]`, context)),
  ]
  content.settle()
  return messages
}

/** Chat's own blocks were messages of their own; other formats have one place for all of them. */
function writeSystem({ system, dialect }: CanonicalRequest, context: Context): readonly JsonObject[] {
  const role = context.capabilities.systemRole
  if (system.length === 0) return []
  const groups: readonly (readonly SystemBlock[])[] =
    dialect === 'openai-chat' ? system.map((block) => [block]) : [system]
  return groups.map((blocks) => ({
    role,
    content: writeTexts(
      blocks.map(({ text, cache }) => ({ kind: 'text', text, ...(cache === undefined ? {} : { cache }) })),
      context,
    ),
  }))
}

/** Where a system turn may not stand in mid-conversation, its text joins the user's. */
function placeSystemTurns(turns: readonly Turn[], { capabilities, losses }: Context): readonly Turn[] {
  if (capabilities.midSystem) return turns
  return turns.map((turn, index) => {
    if (turn.role !== 'system' && turn.role !== 'developer') return turn
    losses.warn(`turns[${index}]`, 'degraded')
    return { ...turn, role: 'user' }
  })
}

function writeTurn(turn: Turn, at: string, context: Context): readonly JsonObject[] {
  const name = turn.name === undefined ? {} : { name: turn.name }
  if (turn.role === 'assistant') return [{ ...writeAssistant(turn, at, context), ...name }]
  if (turn.role === 'system' || turn.role === 'developer') {
    const texts = turn.parts.filter((part) => part.kind === 'text')
    return [{ role: context.capabilities.systemRole, content: writeTexts(texts, context), ...name }]
  }
  const results = turn.parts.filter((part) => part.kind === 'tool-result')
  const rest = turn.parts.filter((part) => part.kind !== 'tool-result')
  const moved: WrittenPart[] = []
  const messages: JsonObject[] = results.map((result) => writeResult(result, at, moved, context))
  if (moved.length > 0) messages.push({ role: 'user', content: moved })
  if (rest.length > 0) messages.push({ role: 'user', content: writeUserContent(rest, at, context), ...name })
  return messages
}

/** One text is written as text, more as a list where the target takes one. */
function writeTexts(texts: readonly TextPart[], { capabilities, content }: Context): JsonValue {
  const [only] = texts
  const isMarked = capabilities.cacheMarks && texts.some(({ cache }) => cache !== undefined)
  if (only === undefined) return ''
  if (texts.length === 1 && !isMarked) return only.text
  if (!capabilities.contentParts) return texts.map(({ text }) => text).join('\n\n')
  return texts.map((text) => content.text(text))
}

function writeUserContent(parts: readonly Part[], at: string, context: Context): JsonValue {
  const texts = parts.filter((part) => part.kind === 'text')
  if (texts.length === parts.length) return writeTexts(texts, context)
  const written = parts.flatMap((part, index): readonly WrittenPart[] => {
    const place = `${at}.parts[${index}]`
    if (part.kind === 'text') return [context.content.text(part)]
    if (part.kind === 'media') return listOf(context.content.media(part, place))
    if (part.kind === 'native') return listOf(context.content.native(part, place))
    return part.kind === 'refusal' ? [context.content.text(part)] : []
  })
  if (context.capabilities.contentParts) return written
  return written.flatMap((part) => (typeof part['text'] === 'string' ? [part['text']] : [])).join('\n\n')
}

const listOf = (part: WrittenPart | null): readonly WrittenPart[] => (part === null ? [] : [part])

/** @param moved takes the media of the result. */
function writeResult(result: ToolResultPart, at: string, moved: WrittenPart[], context: Context): JsonObject {
  const texts = result.content.map((part): TextPart => {
    if (part.kind === 'text') return part
    const name = mediaName(part)
    const written = context.content.media(part, `${at}.parts`)
    if (written === null) return { kind: 'text', text: '' }
    // A document of plain text says itself.
    if (typeof written['text'] === 'string') return { kind: 'text', text: written['text'] }
    context.losses.warn(`${at}.parts`, 'moved')
    moved.push({ type: 'text', text: `This is file ${name}:` }, written)
    return { kind: 'text', text: `See file ${name}.` }
  })
  const last = texts.at(-1)
  const marked =
    last === undefined || result.cache === undefined
      ? texts
      : [...texts.slice(0, -1), { ...last, cache: result.cache }]
  return { role: 'tool', tool_call_id: result.callId, content: writeTexts(marked, context) }
}

/** The same file has the same name in every request, so that a prompt cache still meets. */
const mediaName = ({ source }: MediaPart): string => {
  const [kind, what] =
    source.kind === 'url' ? ['url', source.url] : ['data', source.kind === 'base64' ? source.data : '']
  return shortHash(`${kind} ${what.length} ${what.slice(0, 1_000)}${what.slice(-1_000)}`, 6)
}

function writeAssistant(turn: Turn, at: string, context: Context): JsonObject {
  const texts = turn.parts.filter((part) => part.kind === 'text')
  const calls = turn.parts.filter((part) => part.kind === 'tool-call')
  const refusal = turn.parts.flatMap((part) => (part.kind === 'refusal' ? [part.text] : [])).join('')
  turn.parts.forEach((part, index) => {
    // What another vendor's own tools did cannot be told; the text after it stands.
    const isForeign = part.kind === 'native' ? part.dialect !== 'openai-chat' : part.kind === 'media'
    if (isForeign) context.losses.warn(`${at}.parts[${index}]`, 'dropped')
  })
  const natives = turn.parts.flatMap((part) =>
    part.kind === 'native' && part.dialect === 'openai-chat' ? [{ ...part.value }] : [],
  )
  const signature = texts.map(({ carrier }) => ownSignature(carrier, context)).find((data) => data !== null)
  return {
    role: 'assistant',
    content: assistantContent(texts, natives, calls.length > 0 || refusal !== '', context),
    ...(refusal === '' ? {} : { refusal }),
    ...replayThought(
      turn.parts.filter((part) => part.kind === 'reasoning'),
      calls.length > 0,
      context,
    ),
    ...(signature === undefined ? {} : { extra_content: writeSignature(signature) }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map((call) => writeCall(call, context)) }),
  }
}

function assistantContent(
  texts: readonly TextPart[],
  natives: readonly WrittenPart[],
  mayBeNull: boolean,
  { capabilities, content }: Context,
): JsonValue {
  const isMarked = capabilities.cacheMarks && texts.some(({ cache }) => cache !== undefined)
  if (capabilities.contentParts && (isMarked || natives.length > 0))
    return [...texts.map((text) => content.text(text)), ...natives]
  const text = texts.map((part) => part.text).join('')
  return text === '' && mayBeNull ? null : text
}

/** Google's state goes back to Google only. */
const ownSignature = (carrier: Carrier | undefined, { provider }: Context): string | null =>
  carrier !== undefined && fits(carrier, 'openai-chat', provider) && !isOwnDetail(carrier)
    ? carrier.data
    : null

/** What the model thought, as far as the host wants it back. */
function replayThought(
  parts: readonly ReasoningPart[],
  hasCalls: boolean,
  { capabilities, provider }: Context,
): JsonObject {
  const text = parts.map((part) => part.text).join('')
  if (capabilities.reasoningReplay === 'reasoning_content') {
    // DeepSeek and Moonshot refuse calls without it, be it empty.
    return text === '' && !hasCalls ? {} : { reasoning_content: text }
  }
  const isAsked = capabilities.reasoningReplay === 'reasoning_details'
  // A host that surely gave such state takes it back, whether or not it is known for it.
  const isOwn = ({ carrier }: ReasoningPart): boolean =>
    carrier !== undefined &&
    fits(carrier, 'openai-chat', provider) &&
    isOwnDetail(carrier) &&
    (isAsked || carrier.provider !== null)
  if (!parts.some(isOwn)) return text === '' || !isAsked ? {} : { reasoning: text }
  const details = parts.filter((part) => isOwn(part) || (part.carrier === undefined && part.text !== ''))
  return { reasoning_details: details.flatMap((part, index) => writeOwnDetails(part, index)) }
}

function writeCall(call: ToolCallPart, context: Context): JsonObject {
  const name = context.names.sent(call.name)
  const data = ownSignature(call.carrier, context)
  const state = data === null ? {} : { extra_content: writeSignature(data) }
  if (call.isCustom && context.capabilities.customTools)
    return { id: call.id, type: 'custom', custom: { name, input: call.args }, ...state }
  const args = call.isCustom ? wrapText(call.args) : call.args === '' ? '{}' : call.args
  return { id: call.id, type: 'function', function: { name, arguments: args }, ...state }
}
