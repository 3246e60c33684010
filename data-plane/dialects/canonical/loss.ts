/**
 * What a conversion could not keep.
 *
 * Pure data. `at` is in canonical words (`params.topK`, `turns[3].parts[0]`, `tools[1]`, or an extra's own
 * path); the client's dialect turns it into its own parameter path. The single source of warnings, of strict
 * mode's 400 and of the request record.
 */
export type Loss = Readonly<{
  at: string
  /** A short code without spaces: `unsupported`, `clamped`, `dropped`, `degraded`, `synthesised`, … */
  reason: string
  /** True: the request must be refused with `unsupported_parameter`. */
  refuse: boolean
  /** For people; used when it is refused. */
  message?: string
}>

export class Losses {
  readonly list: Loss[] = []

  warn(at: string, reason: string): void {
    if (!this.list.some((loss) => loss.at === at && loss.reason === reason))
      this.list.push({ at, reason, refuse: false })
  }

  refuse(at: string, message: string): void {
    this.list.push({ at, reason: 'unsupported', refuse: true, message })
  }
}
