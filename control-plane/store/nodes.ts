/**
 * The last reports of nodes in the database: only so that a restarted control plane knows who to expect.
 */
import { sql, type Kysely } from 'kysely'
import { decodeNodeReport, encodeNodeReport, type NodeReport } from '#contracts/fleet/report.ts'
import type { Database } from './schema.ts'

export type StoredNode = Readonly<{ report: NodeReport; lastSeen: number }>

export async function saveNodes(database: Kysely<Database>, nodes: readonly StoredNode[]): Promise<void> {
  if (nodes.length === 0) return
  await database
    .insertInto('cp_node')
    .values(
      nodes.map(({ report, lastSeen }) => ({
        node_id: report.node,
        report: encodeNodeReport(report),
        last_seen: lastSeen,
      })),
    )
    .onConflict((conflict) =>
      conflict.column('node_id').doUpdateSet({
        report: (row) => row.ref('excluded.report'),
        last_seen: (row) => row.ref('excluded.last_seen'),
      }),
    )
    .execute()
}

/** Forgets nodes not seen since then (epoch milliseconds) and returns the others. */
export async function loadNodes(database: Kysely<Database>, since: number): Promise<readonly StoredNode[]> {
  await database
    .deleteFrom('cp_node')
    .where(sql<string>`last_seen`, '<', String(since))
    .execute()
  const rows = await database.selectFrom('cp_node').selectAll().execute()
  return rows.flatMap((row): StoredNode[] => {
    const report = decodeNodeReport(row.report)
    return report.ok ? [{ report: report.value, lastSeen: Number(row.last_seen) }] : []
  })
}
