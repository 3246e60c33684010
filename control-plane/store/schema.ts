/**
 * The tables as Kysely sees them. Bigints arrive as text (node-postgres does not round them); epoch
 * milliseconds and commit numbers stay far below 2^53 and are turned into numbers where they are read.
 */
import type { ColumnType, Generated } from 'kysely'

type Bigint = ColumnType<string, number, number>

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
  /** The state each node said it had at a commit. */
  cp_served: { commit_no: Bigint; node_id: string; fold_version: number; digest: string; seen_at: Bigint }
}
