/**
 * The tables as Kysely sees them. Bigints arrive as text (node-postgres does not round them); epoch
 * milliseconds and commit numbers stay far below 2^53 and are turned into numbers where they are read.
 */
import type { ColumnType, Generated } from 'kysely'

type Bigint = ColumnType<string, number, number>

/** Tokens by kind. */
type UsageCounts = {
  input: Bigint
  output: Bigint
  cache_read: Bigint
  cache_write: Bigint
  cache_write_long: Bigint
  reasoning: Bigint
  input_audio: Bigint
  output_audio: Bigint
}

export type Database = {
  cp_head: { id: Generated<number>; epoch: number; commit_no: Bigint; chain: Buffer }
  cp_commit: {
    commit_no: Bigint
    epoch: number
    prev: Buffer
    chain: Buffer
    /** The leaf hashes, one after the other. */
    leaves: Buffer
    /** `CommitMeta` as canonical JSON: who, why, when. What leaf 0 is the hash of. */
    meta: string
    at: Bigint
  }
  cp_event: {
    commit_no: Bigint
    idx: number
    stream: string
    version: number
    type: string
    schema_version: number
    /** Canonical JSON text, never jsonb: jsonb would not give back the bytes that were hashed. */
    body: string
  }
  /** What a command answered, so that sending it again answers the same. */
  cp_command: { command_id: string; request_hash: string; commit_no: Bigint; response: string; at: Bigint }
  cp_secret: { secret_id: string; sealed: string; created_at: Bigint }
  /** Nodes heard of, for the fleet view after a restart of the control plane. */
  cp_node: { node_id: string; report: string; last_seen: Bigint }
  /** One row a request, partitioned by day; `record` is the whole `UsageRecord` as text. */
  usage_record: UsageCounts & {
    at: Bigint
    id: string
    key_id: string
    tags: string[]
    model: string
    provider: string
    upstream: string
    status: number
    is_estimated: boolean
    /** Billionths of a dollar; null: no price was known. */
    cost_nano: Bigint | null
    record: string
  }
  /** Their sums by day (UTC) and by what can be asked for. */
  usage_day: UsageCounts & {
    day: string
    key_id: string
    tags: string[]
    model: string
    provider: string
    upstream: string
    requests: Bigint
    failed: Bigint
    estimated: Bigint
    unpriced: Bigint
    cost_nano: Bigint
  }
  /** Admin calls, allowed and refused. */
  cp_call: {
    id: Generated<string>
    at: Bigint
    actor: string
    procedure: string
    outcome: string
    detail: string
  }
  /** Catalogs folded along the way, so that the past need not be folded from its beginning. */
  cp_snapshot: { commit_no: Bigint; fold_version: number; body: string; signature: string }
  /** Signed statements of where the log was. */
  cp_checkpoint: { commit_no: Bigint; statement: string; signature: string }
  /** Times in which every weight table was heard, by whom. */
  weight_run: {
    epoch: Bigint
    first_seq: Bigint
    writer: string
    last_seq: Bigint
    first_at: Bigint
    last_at: Bigint
  }
  /** What they said of a deployment, where it was not what the table before said. */
  weight_entry: {
    epoch: Bigint
    provider: string
    model: string
    seq: Bigint
    at: Bigint
    factor: number
    reason: string
    detail: string | null
  }
  /** The state each node said it had at a commit. */
  cp_served: { commit_no: Bigint; node_id: string; fold_version: number; digest: string; seen_at: Bigint }
}
