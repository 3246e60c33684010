/**
 * What Gemini says about an answer: tokens, sources, probabilities.
 *
 * Pure. Sources point into the answer in bytes of UTF-8; the form in the middle counts as JavaScript does.
 */
import {
  arrayOf,
  isObject,
  numberOf,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '../canonical/json.ts'
import type { TokenLogprob, Usage } from '../canonical/reply.ts'
import type { Citation } from '../canonical/request.ts'

/** @returns null when no tokens are told (only a traffic type, in blocked answers). */
export function readUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null
  const count = (name: string): number => numberOf(value[name]) ?? 0
  if (value['promptTokenCount'] === undefined && value['totalTokenCount'] === undefined) return null
  const reasoning = count('thoughtsTokenCount')
  return {
    input: count('promptTokenCount') + count('toolUsePromptTokenCount'),
    output: count('candidatesTokenCount') + reasoning,
    cacheRead: count('cachedContentTokenCount'),
    cacheWrite: 0,
    cacheWriteLong: 0,
    reasoning,
    inputAudio: countOf(value['promptTokensDetails'], 'AUDIO'),
    outputAudio: countOf(value['candidatesTokensDetails'], 'AUDIO'),
    native: value,
  }
}

function countOf(details: unknown, modality: string): number {
  const detail = arrayOf(details).find((one) => objectOf(one)['modality'] === modality)
  return numberOf(objectOf(detail)['tokenCount']) ?? 0
}

export function writeUsage(usage: Usage): JsonObject {
  return {
    promptTokenCount: usage.input,
    ...(usage.cacheRead === 0 ? {} : { cachedContentTokenCount: usage.cacheRead }),
    candidatesTokenCount: Math.max(0, usage.output - usage.reasoning),
    ...(usage.reasoning === 0 ? {} : { thoughtsTokenCount: usage.reasoning }),
    totalTokenCount: usage.input + usage.output,
    ...detailsOf('promptTokensDetails', usage.input, usage.inputAudio),
    ...detailsOf('candidatesTokensDetails', usage.output - usage.reasoning, usage.outputAudio),
  }
}

const detailsOf = (name: string, all: number, audio: number): JsonObject =>
  audio === 0
    ? {}
    : {
        [name]: [
          { modality: 'AUDIO', tokenCount: audio },
          { modality: 'TEXT', tokenCount: Math.max(0, all - audio) },
        ],
      }

/** A source, and which of the answer's texts it belongs to. */
export type Placed = Readonly<{ text: number; citation: Citation }>

/**
 * @param texts the visible texts of the answer, in order. Google counts bytes over all of them, unless a
 * segment names its part.
 * @param places number of a part in the answer → number of its text, where it is one.
 */
export function readCitations(
  candidate: JsonObject,
  texts: readonly string[],
  places: readonly (number | undefined)[] = [],
): readonly Placed[] {
  const grounding = objectOf(candidate['groundingMetadata'])
  const sources = arrayOf(grounding['groundingChunks']).map(readSource)
  const placed: Placed[] = []
  for (const support of arrayOf(grounding['groundingSupports'])) {
    const { segment, groundingChunkIndices } = objectOf(support)
    const place = placeOf(objectOf(segment), texts, places)
    for (const index of arrayOf(groundingChunkIndices)) {
      const source = typeof index === 'number' ? sources[index] : undefined
      if (source === undefined) continue
      const { text, ...span } = place
      placed.push({ text, citation: { ...source, ...span } })
    }
  }
  const last = Math.max(0, texts.length - 1)
  // Sources without a word on where: true of the answer as a whole.
  if (placed.length === 0) for (const source of sources) placed.push({ text: last, citation: source })
  for (const recited of arrayOf(objectOf(candidate['citationMetadata'])['citationSources'])) {
    const { uri, startIndex, endIndex } = objectOf(recited)
    const { text, ...span } = placeOf({ startIndex, endIndex }, texts, [])
    placed.push({
      text,
      citation: { kind: 'url', ...(typeof uri === 'string' ? { url: uri } : {}), ...span },
    })
  }
  return placed
}

function readSource(chunk: JsonValue): Citation {
  const { web, maps, retrievedContext, image } = objectOf(chunk)
  const source = objectOf(web ?? maps ?? retrievedContext ?? image)
  const url = stringOf(source['uri']) ?? stringOf(source['sourceUri'])
  const title = stringOf(source['title'])
  return {
    kind: retrievedContext === undefined ? 'url' : 'document',
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
  }
}

type Place = Readonly<{ text: number; start: number; end: number; citedText?: string }>

function placeOf(
  segment: JsonObject,
  texts: readonly string[],
  places: readonly (number | undefined)[],
): Place {
  let start = numberOf(segment['startIndex']) ?? 0
  let end = numberOf(segment['endIndex']) ?? start
  let text = places[numberOf(segment['partIndex']) ?? -1]
  if (text === undefined) {
    text = 0
    for (
      let size = bytesOf(texts[text]);
      start >= size && text < texts.length - 1;
      size = bytesOf(texts[text])
    ) {
      start -= size
      end -= size
      text++
    }
  }
  const cited = stringOf(segment['text'])
  const whole = texts[text] ?? ''
  return {
    text,
    start: unitAt(whole, start),
    end: unitAt(whole, end),
    ...(cited === undefined ? {} : { citedText: cited }),
  }
}

const bytesOf = (text: string | undefined): number => (text === undefined ? 0 : Buffer.byteLength(text))

/** @returns how many UTF-16 code units of the text its first `bytes` bytes make; never half a character. */
export function unitAt(text: string, bytes: number): number {
  let left = bytes
  let unit = 0
  while (unit < text.length) {
    const point = text.codePointAt(unit) ?? 0
    left -= point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
    if (left < 0) break
    unit += point < 0x10000 ? 1 : 2
  }
  return unit
}

/** @returns undefined when there is nothing to say. */
export function writeGrounding(texts: readonly string[], placed: readonly Placed[]): JsonObject | undefined {
  if (placed.length === 0) return undefined
  const chunks = new Map<string, { index: number; chunk: JsonObject }>()
  const supports = new Map<string, { segment: JsonObject; indices: number[] }>()
  for (const { text, citation } of placed) {
    const { url, title, start, end, citedText } = citation
    const source = { ...(url === undefined ? {} : { uri: url }), ...(title === undefined ? {} : { title }) }
    const chunk = citation.kind === 'document' ? { retrievedContext: source } : { web: source }
    const key = JSON.stringify(chunk)
    const known = chunks.get(key) ?? { index: chunks.size, chunk }
    chunks.set(key, known)
    if (end === undefined) continue
    const before = texts.slice(0, text).reduce((sum, one) => sum + bytesOf(one), 0)
    const startIndex = before + bytesOf(texts[text]?.slice(0, start ?? 0))
    const endIndex = before + bytesOf(texts[text]?.slice(0, end))
    const support = supports.get(`${startIndex}-${endIndex}`)
    if (support !== undefined) {
      if (!support.indices.includes(known.index)) support.indices.push(known.index)
      continue
    }
    const cited = citedText ?? texts[text]?.slice(start ?? 0, end) ?? ''
    const segment = { ...(startIndex === 0 ? {} : { startIndex }), endIndex, text: cited }
    supports.set(`${startIndex}-${endIndex}`, { segment, indices: [known.index] })
  }
  return {
    groundingChunks: Array.from(chunks.values(), ({ chunk }) => chunk),
    ...(supports.size === 0
      ? {}
      : {
          groundingSupports: Array.from(supports.values(), ({ segment, indices }) => ({
            segment,
            groundingChunkIndices: indices,
          })),
        }),
  }
}

/** @returns null for an answer without. */
export function readLogprobs(value: unknown): readonly TokenLogprob[] | null {
  if (!isObject(value)) return null
  const top = arrayOf(value['topCandidates'])
  return arrayOf(value['chosenCandidates']).map((chosen, index) => ({
    ...readToken(chosen),
    top: arrayOf(objectOf(top[index])['candidates']).map(readToken),
  }))
}

function readToken(value: JsonValue): Omit<TokenLogprob, 'top'> {
  const { token, logProbability } = objectOf(value)
  const text = stringOf(token) ?? ''
  return { token: text, logprob: numberOf(logProbability) ?? 0, bytes: [...Buffer.from(text)] }
}

export function writeLogprobs(tokens: readonly TokenLogprob[]): JsonObject {
  const write = ({ token, logprob }: Omit<TokenLogprob, 'top'>): JsonObject => ({
    token,
    logProbability: logprob,
  })
  return {
    topCandidates: tokens.map(({ top }) => ({ candidates: top.map(write) })),
    chosenCandidates: tokens.map(write),
  }
}
