/** What a node says of itself when all is well, and what a test wants to be otherwise. */
import { EMPTY_CATALOG, FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import { EMPTY_DIGEST } from '#contracts/commit/digest.ts'
import type { NodeReport } from '#contracts/fleet/report.ts'

export const nodeReport = (node: string, more: Partial<NodeReport> = {}): NodeReport => ({
  v: 1,
  node,
  boot: `boot of ${node}`,
  build: 'test',
  foldVersion: FOLD_VERSION,
  epoch: EMPTY_CATALOG.epoch,
  received: 0,
  applied: 0,
  persisted: 0,
  served: 0,
  digest: EMPTY_DIGEST,
  link: 'bus',
  nacks: [],
  accepting: true,
  ...more,
})
