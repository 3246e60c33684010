/**
 * Every subject, stream and bucket name on the bus, in one place.
 *
 * Pure. `prefix` keeps two installations, or two tests, on one server apart.
 */
import type { NodeId } from '../ids.ts'

export type Subjects = Readonly<ReturnType<typeof subjectsOf>>

export function subjectsOf(prefix: string) {
  return {
    /** JetStream stream of one epoch's commits; its sequence numbers are the commit numbers. */
    commitStream: (epoch: number): string => `${prefix.toUpperCase()}_CFG_${epoch}`,
    commits: (epoch: number): string => `${prefix}.cfg.${epoch}`,
    /** The same messages, sent on by the broker to whoever listens. */
    liveCommits: (epoch: number): string => `${prefix}.cfgl.${epoch}`,
    /** Key-value bucket: prober lease, last weight table. */
    registers: `${prefix}_registers`,
    /** Control plane to nodes: how far the log is (`Head`). */
    head: `${prefix}.head`,
    /** Prober to nodes: signed weight tables. */
    weights: `${prefix}.wts`,
    /** Control plane to nodes: what a provider was seen to serve, signed. */
    modelLists: `${prefix}.mls`,
    /** Node to control planes: `NodeReport`. */
    report: (node: NodeId): string => `${prefix}.hb.${node}`,
    everyReport: `${prefix}.hb.*`,
    /** Node to probers: `TelemetryReport`. */
    telemetry: (node: NodeId): string => `${prefix}.tel.${node}`,
    /** JetStream stream of usage on its way into the database, and what is published to it. */
    usageStream: `${prefix.toUpperCase()}_USE`,
    usage: `${prefix}.use`,
    everyTelemetry: `${prefix}.tel.*`,
  }
}

/** Letters, digits, dash and underscore: valid in subjects, stream names and bucket names alike. */
export const PREFIX_PATTERN = /^[a-z0-9][a-z0-9_-]{0,31}$/
