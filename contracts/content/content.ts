/**
 * What was said in one request, of a key that lets it be logged: kept apart from the record of the request, for
 * the time its key says, and losable.
 *
 * Nodes write it after the answer; the control plane reads it. Secrets are taken out before it comes here.
 */
import { z } from 'zod'
import { err, ok, type Result } from '../result.ts'

/** What is not text is told by its kind alone. */
const Said = z.object({ role: z.string(), text: z.string(), truncated: z.boolean() })

const Content = z.object({
  v: z.literal(1),
  /** Of the request. */
  id: z.string(),
  key: z.string(),
  /** When it arrived, and until when it is kept; epoch milliseconds. */
  at: z.int(),
  until: z.int(),
  /** As the client wrote it. */
  model: z.string(),
  /** Who answered; null: nobody did. */
  provider: z.string().nullable(),
  status: z.int(),
  /** The answer came to its end. */
  complete: z.boolean(),
  request: z.array(Said),
  answer: z.array(Said),
  /** Texts of the request, the oldest, and of the answer, the last, that there was no room for. */
  leftOut: z.object({ request: z.int(), answer: z.int() }),
})
export type Content = Readonly<z.infer<typeof Content>>

export interface ContentStore extends AsyncDisposable {
  /** Questions and contents that failed or were not tried, since the start. */
  readonly failures: number
  /** Keeps until `content.until`, in the background; a failure is counted, not told. */
  keep(content: Content): void
  /** @returns null when there is none. Rejects with `ContentUnavailable` when nobody can say. */
  read(id: string): Promise<Content | null>
  /** @returns whether there is any; null when nobody can say. */
  has(id: string): Promise<boolean | null>
}

/** Where contents are kept does not answer now. */
export class ContentUnavailable extends Error {
  override readonly name = 'ContentUnavailable'
}

export const encodeContent = (content: Content): string => JSON.stringify(content)

export function decodeContent(text: string): Result<Content, string> {
  try {
    const parsed = Content.safeParse(JSON.parse(text))
    return parsed.success ? ok(parsed.data) : err(z.prettifyError(parsed.error))
  } catch {
    return err('not JSON')
  }
}
