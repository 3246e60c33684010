/**
 * The name a node keeps across restarts, in `<dataDir>/node/id`: the fleet view would otherwise count every
 * restart as a new node.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { nodeId, type NodeId } from '#contracts/ids.ts'
import { nodeFiles } from './files.ts'

/** It becomes part of subjects on the bus. */
const NODE_ID = /^node_[a-z0-9]{16}$/

/**
 * @param folder `<dataDir>/node`.
 * @returns the id and whether it will be the same next time; false when the disk could not be written.
 */
export async function loadNodeId(folder: string): Promise<Readonly<{ id: NodeId; isKept: boolean }>> {
  const path = join(folder, 'id')
  // Unreadable is the same as absent: either way a new name is written over it.
  const known = (await nodeFiles.read(path).then(String, () => '')).trim()
  if (NODE_ID.test(known)) return { id: nodeId(known), isKept: true }
  const id = nodeId(`node_${randomBytes(8).toString('hex')}`)
  try {
    await nodeFiles.makeFolder(folder)
    {
      await using file = await nodeFiles.create(`${path}.tmp`)
      await file.write([Buffer.from(`${id}\n`)])
      await file.sync()
    }
    await nodeFiles.rename(`${path}.tmp`, path)
    await nodeFiles.syncFolder(folder)
    return { id, isKept: true }
  } catch {
    return { id, isKept: false }
  }
}
