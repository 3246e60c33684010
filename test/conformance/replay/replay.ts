/**
 * Every recorded answer, told by a mock upstream of its own dialect and read by every client's SDK through the
 * gateway: what does the SDK hear, and what did the SDK of the recording's own dialect hear?
 */
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import { Gateway, KEY } from '../../integration/gateway.ts'
import type { Recording } from '../recordings.ts'
import { SDK_NAMES, SDKS } from '../sdk/sdks.ts'
import type { Sdk, SdkName, Told } from '../sdk/told.ts'
import { recordedAnswer, Upstream } from '../upstream.ts'

/** What was heard, or what the SDK threw. */
export type Heard = Readonly<{ told: Told }> | Readonly<{ error: string }>

export class Replay implements AsyncDisposable {
  readonly upstream: Upstream
  readonly gateway: Gateway
  readonly #direct: ReadonlyMap<SdkName, Sdk>
  readonly #through: ReadonlyMap<SdkName, Sdk>
  #models = 0

  static async start(): Promise<Replay> {
    const upstream = await Upstream.start()
    return new Replay(upstream, await Gateway.start({ providers: upstream.providers }))
  }

  private constructor(upstream: Upstream, gateway: Gateway) {
    this.upstream = upstream
    this.gateway = gateway
    const opened = (origin: string) =>
      new Map(SDK_NAMES.map((name) => [name, SDKS[name].open(origin, KEY)] as const))
    this.#direct = opened(upstream.baseUrl)
    this.#through = opened(gateway.baseUrl.replace(/\/v1$/, ''))
  }

  /** @returns the name under which the upstream tells this recording. */
  serve(recording: Recording): string {
    const model = `recording-${(this.#models += 1)}`
    const answer = recordedAnswer(recording)
    this.upstream.script(model, () => answer)
    return model
  }

  /** As the recording's own SDK hears it from its own provider. */
  direct(recording: Recording, model: string, name: SdkName = recording.dialect): Promise<Heard> {
    return heard(this.#direct.get(name), model, recording.stream !== null)
  }

  through(name: SdkName, recording: Recording, model: string): Promise<Heard> {
    const pinned = `${recording.dialect satisfies DialectName}/${model}`
    return heard(this.#through.get(name), pinned, recording.stream !== null)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]()
    await this.upstream[Symbol.asyncDispose]()
  }
}

async function heard(sdk: Sdk | undefined, model: string, stream: boolean): Promise<Heard> {
  if (sdk === undefined) throw new Error('no such SDK')
  try {
    return { told: await sdk.ask(model, stream) }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

/** What two of them say differently, as far as both formats can say it; empty: nothing. */
export function differences(said: Told, heardAs: Told): readonly string[] {
  const differ: string[] = []
  if (said.text !== heardAs.text) differ.push('text')
  if (JSON.stringify(said.calls) !== JSON.stringify(heardAs.calls)) differ.push('calls')
  if (said.finish !== heardAs.finish) differ.push('finish')
  if (JSON.stringify(said.usage ?? UNCOUNTED) !== JSON.stringify(heardAs.usage ?? UNCOUNTED))
    differ.push('usage')
  return differ
}

/** Some formats must have numbers where nothing was counted. */
const UNCOUNTED = { input: 0, output: 0, cached: 0, reasoning: 0 }
