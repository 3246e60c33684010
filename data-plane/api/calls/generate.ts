/**
 * The calls that make a model answer: chat completions, responses, messages, generateContent.
 *
 * To an upstream of the client's own dialect the bytes pass; to any other the request is read once into the
 * form in the middle and written in the upstream's words, and the answer comes back the same way.
 */
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { Problem } from '#contracts/errors.ts'
import type { CredentialId } from '#contracts/ids.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { JsonObject } from '../../dialects/canonical/json.ts'
import { holdsSealed } from '../../carriers/holds-sealed.ts'
import {
  callsWithoutState,
  decodeKept,
  encodeKept,
  keptOf,
  restore,
  withoutState,
  type Kept,
} from '../../carriers/kept.ts'
import type { Loss } from '../../dialects/canonical/loss.ts'
import type { AnswerPart } from '../../dialects/canonical/reply.ts'
import type { CanonicalRequest, DialectName } from '../../dialects/canonical/request.ts'
import type { AnswerTarget, Dialect, WrittenRequest } from '../../dialects/dialect.ts'
import { NATIVE_ANSWERS, type NativeAnswers } from '../../dialects/native/answers.ts'
import { NATIVE_METER } from '../../dialects/native/meter.ts'
import {
  parseRequest,
  patchRequest,
  readRequest,
  type NativeRequest,
} from '../../dialects/native/read-request.ts'

import { stateOf } from '../../dialects/openai-responses/state.ts'
import { DIALECT } from '../../dialects/registry.ts'
import type { Candidate, Deployment } from '../../routing/snapshot.ts'
import type { Prepared } from '../../upstream/attempt.ts'
import { unsendable, type Failure } from '../../upstream/classify.ts'
import { wholeOf } from '../../upstream/request-body.ts'
import { ConvertedPassage } from '../../upstream/passage/converted.ts'
import type { Passage } from '../../upstream/passage.ts'
import { AlteredPassage, type Alteration } from '../../upstream/passage/altered.ts'
import { mending } from '../../upstream/passage/mended.ts'
import { NativePassage } from '../../upstream/passage/native.ts'
import type { Arrival, Call, Inquiry } from '../inquiry.ts'
import { GEMINI_ARRAY, TONGUE } from '../tongues.ts'
import { askingForUsage, withoutCount } from '../../dialects/openai-chat/stream-usage.ts'
import { isForeign, mayBeForeign } from '../../dialects/openai-chat/shapes.ts'
import { expanded, keepResponse } from './kept-responses.ts'
import { answersWithId, keepOwner } from './owners.ts'
import { convertedHeaders, nativeHeaders } from './request-headers.ts'
import { generatePath, upstreamDialect } from './upstream-dialect.ts'

/** For clients that drop fields they do not know: as long as a tool may take, in milliseconds. */
const KEEP_STATE_MS = 3_600_000

const ENDPOINT = {
  'openai-chat': 'chat',
  'openai-responses': 'responses',
  anthropic: 'messages',
  gemini: 'generate',
} as const satisfies Record<DialectName, ClientEndpoint>

/** A provider was asked for a count that its client did not ask for: all but that event passes. */
const UNCOUNTED: Alteration = { push: withoutCount, end: (last) => last }

/** What Gemini says in its address instead of the body. */
export type Address = Readonly<{ model: string; stream: boolean; framing: 'sse' | 'json-array' }>

/** @param address for dialects that say model and stream there. */
export function generate(dialect: DialectName, address: Address | null = null): Call {
  return {
    tongue: address?.framing === 'json-array' ? GEMINI_ARRAY : TONGUE[dialect],
    endpoint: ENDPOINT[dialect],
    conversation: { dialect, framing: address?.framing ?? 'sse' },
    read: (arrival) => {
      const request = readRequest(arrival.body, arrival.headers.get('accept'), address)
      return request.ok
        ? ok(new Generation(dialect, arrival, request.value, address?.framing ?? 'sse'))
        : request
    },
  }
}

class Generation implements Inquiry {
  readonly model: string
  readonly stream: boolean
  readonly owner: string | null
  readonly #dialect: DialectName
  readonly #arrival: Arrival
  readonly #request: NativeRequest
  readonly #framing: Address['framing']
  /** Bytes with sealed state in them are no other provider's business: they are never passed as they are. */
  readonly #isSealed: boolean
  /** Names a response or items that it does not spell out. */
  readonly #refers: boolean
  #canonical: Result<CanonicalRequest, Problem> | null = null
  /** Null: not looked yet. */
  #foreign: boolean | null = null
  #parsed: Result<JsonObject, Problem> | null = null
  /** Id of a native response, once it is known. */
  #answeredAs: string | null = null
  #isStateless = false
  /** References were replaced by what they stand for. */
  #isExpanded = false
  #ids = 0

  constructor(dialect: DialectName, arrival: Arrival, request: NativeRequest, framing: Address['framing']) {
    this.#dialect = dialect
    this.#arrival = arrival
    this.#request = request
    this.#framing = framing
    this.model = request.model
    this.stream = request.stream
    const state = dialect === 'openai-responses' ? stateOf(arrival.body) : null
    this.owner = state?.ids.find(({ kind }) => kind === 'response')?.id ?? null
    this.#refers = state?.ids.some(({ kind }) => kind === 'response' || kind === 'item') ?? false
    this.#isSealed = holdsSealed(arrival.body, request.text)
  }

  prepare(deployment: Deployment): Result<Prepared, Failure> {
    const name = upstreamDialect(deployment, this.#dialect)
    const path = generatePath(deployment, name, this.stream)
    if (path === null) return err(unsendable({ code: 'unsupported_parameter' }, 'provider'))
    return this.#passes(name) ? ok(this.#pass(path, deployment)) : this.#convert(name, path, deployment)
  }

  /** The chat address also takes bodies of other shapes, which no chat upstream would understand. */
  #isForeign(): boolean {
    this.#foreign ??=
      this.#dialect === 'openai-chat' &&
      mayBeForeign(this.#arrival.body, this.#request.text) &&
      this.#looksForeign()
    return this.#foreign
  }

  #looksForeign(): boolean {
    const body = this.#parse()
    return body.ok && isForeign(body.value)
  }

  dropState(): boolean {
    if (this.#isStateless) return false
    this.#isStateless = true
    this.#canonical ??= this.#read()
    if (this.#canonical.ok) this.#canonical = ok(withoutState(this.#canonical.value))
    return true
  }

  recall(candidates: readonly Candidate[]): Promise<void> | null {
    if (this.#refers) return this.#expand(candidates)
    return this.#recallState(candidates)
  }

  /** What the client only refers to may be an answer of ours, which no upstream knows. */
  async #expand(candidates: readonly Candidate[]): Promise<void> {
    const { notes, keyId } = this.#arrival
    const body = this.#parse()
    const whole = body.ok ? await expanded(notes, keyId, body.value) : null
    if (whole !== null) {
      this.#parsed = ok(whole)
      this.#isExpanded = true
    }
    await this.#recallState(candidates)
  }

  #recallState(candidates: readonly Candidate[]): Promise<void> | null {
    const isNative = candidates.every(({ deployment }) =>
      this.#passes(upstreamDialect(deployment, this.#dialect)),
    )
    if (isNative) return null
    this.#canonical ??= this.#read()
    if (!this.#canonical.ok) return null
    const request = this.#canonical.value
    const calls = callsWithoutState(request)
    return calls.length === 0 ? null : this.#restore(request, calls)
  }

  async #restore(request: CanonicalRequest, calls: readonly string[]): Promise<void> {
    const { notes } = this.#arrival
    const texts = await notes.find(calls.map((id) => this.#noteKey(id)))
    const found = new Map<string, Kept>()
    for (const [at, text] of texts.entries()) {
      const kept = text === null ? null : decodeKept(text)
      const id = calls[at]
      if (kept !== null && id !== undefined) found.set(id, kept)
    }
    this.#canonical = ok(restore(request, found))
  }

  #keep(parts: readonly AnswerPart[]): void {
    for (const [id, kept] of keptOf(parts))
      this.#arrival.notes.keep(this.#noteKey(id), encodeKept(kept), KEEP_STATE_MS)
  }

  /** Two clients may be given the same call id; neither may see the other's state. */
  #noteKey(call: string): string {
    return `carrier\n${this.#arrival.keyId}\n${call}`
  }

  #passes(name: DialectName): boolean {
    if (this.#isStateless || this.#isExpanded) return false
    return name === this.#dialect && !this.#isSealed && this.#framing === 'sse' && !this.#isForeign()
  }

  #pass(path: string, deployment: Deployment): Prepared {
    const { headers } = this.#arrival
    const body = patchRequest(this.#request, deployment.modelJson)
    const counted = this.#isToBeCounted(deployment) ? askingForUsage(wholeOf(body)) : null
    const passage = this.#nativePassage(deployment)
    return {
      method: 'POST',
      path,
      dialect: this.#dialect,
      headers: nativeHeaders(this.#dialect, headers, this.stream),
      body: counted ?? body,
      passage: counted === null ? passage : new AlteredPassage(passage, () => UNCOUNTED),
      warnings: [],
    }
  }

  #isToBeCounted({ capabilities }: Deployment): boolean {
    const isChatStream = this.stream && this.#dialect === 'openai-chat'
    return isChatStream && this.#arrival.countStreams && capabilities().streamUsage
  }

  #nativePassage(deployment: Deployment): Passage {
    const { requestId } = this.#arrival
    const { errorEvent } = TONGUE[this.#dialect]
    const native = new NativePassage({
      answers: this.#answersOf(),
      meter: NATIVE_METER[this.#dialect],
      errorEvent: (problem) => errorEvent(problem, requestId),
    })
    const isOdd =
      this.stream && this.#dialect === 'openai-chat' && deployment.capabilities().chatQuirks === true
    return isOdd ? new AlteredPassage(native, mending) : native
  }

  /** Stored responses are remembered with who keeps them. */
  onAnswering({ provider, model }: Deployment, credential: CredentialId | null): void {
    const { notes, keyId } = this.#arrival
    if (this.#answeredAs !== null) keepOwner(notes, keyId, this.#answeredAs, { provider, model, credential })
  }

  #answersOf(): NativeAnswers {
    if (this.#dialect !== 'openai-responses') return NATIVE_ANSWERS[this.#dialect]
    return answersWithId((id) => {
      this.#answeredAs = id
    })
  }

  #convert(name: DialectName, path: string, deployment: Deployment): Result<Prepared, Failure> {
    this.#canonical ??= this.#read()
    if (!this.#canonical.ok) return err(unsendable(this.#canonical.error, 'request'))
    const request = this.#canonical.value
    const upstream = DIALECT[name]
    const { provider, model, capabilities } = deployment
    const written = upstream.writeRequest(request, {
      model,
      provider,
      capabilities: capabilities(),
      stream: this.stream,
    })
    const refusal = this.#refusal(written.losses)
    if (refusal !== null) return err(unsendable(refusal, 'provider'))
    return ok({
      method: 'POST',
      path,
      dialect: name,
      headers: convertedHeaders(this.stream, written.headers),
      body: Buffer.from(written.body),
      passage: this.#passage(upstream, request, written, provider),
      warnings: written.losses.map((loss) => `${this.#pathOf(loss)}:${loss.reason}`),
    })
  }

  #passage(
    upstream: Dialect,
    request: CanonicalRequest,
    { toolNames }: WrittenRequest,
    provider: string,
  ): ConvertedPassage {
    const { requestId, now, sealer } = this.#arrival
    const target: AnswerTarget = {
      request,
      newId: () => this.#newId(),
      now: Math.floor(now / 1_000),
      sealer,
      requestId,
    }
    const client = DIALECT[this.#dialect]
    const onAnswered = (parts: readonly AnswerPart[]): void => this.#keep(parts)
    const origin = { provider, toolNames }
    const { notes, keyId } = this.#arrival
    const onTold =
      this.#dialect === 'openai-responses'
        ? (told: string): void => keepResponse(notes, keyId, request.source, told)
        : null
    return new ConvertedPassage({ upstream, origin, client, target, onAnswered, onTold })
  }

  #read(): Result<CanonicalRequest, Problem> {
    const { headers, sealer } = this.#arrival
    const body = this.#parse()
    if (!body.ok) return body
    const own: Record<string, string | undefined> = {}
    for (const header of ['anthropic-beta', 'anthropic-version', 'openai-beta']) {
      own[header] = headers.get(header)
    }
    const { model, stream } = this
    return DIALECT[this.#dialect].readRequest(body.value, {
      model,
      stream,
      headers: own,
      framing: this.#framing,
      sealer,
    })
  }

  #parse(): Result<JsonObject, Problem> {
    this.#parsed ??= parseRequest(this.#arrival.body)
    return this.#parsed
  }

  /** What makes this deployment unfit for the request, as the client should hear it. */
  #refusal(losses: readonly Loss[]): Problem | null {
    const loss = losses.find(({ refuse }) => refuse) ?? (this.#arrival.strict ? losses[0] : undefined)
    if (loss === undefined) return null
    const path = this.#pathOf(loss)
    // One that is kept here has been put in its place by now.
    if (path === 'previous_response_id') return { code: 'previous_response_not_found', param: path }
    const message =
      loss.message ?? `'${path}' cannot be kept for the provider of this model (${loss.reason}).`
    return { code: 'unsupported_parameter', param: path, message }
  }

  #pathOf(loss: Loss): string {
    return DIALECT[this.#dialect].pathOf(loss.at)
  }

  /** Unique as the request's own id is, in letters and digits only. */
  #newId(): string {
    this.#ids += 1
    return `${this.#arrival.requestId.replaceAll(/[^A-Za-z0-9]/g, '')}x${this.#ids.toString(36)}`
  }
}
