/**
 * What becomes of conversations when a node dies, and Redis after it: every turn says whether it stayed, and
 * if not, why.
 */
import { CLIENT_KEY, type Cluster } from '../../cluster/cluster.ts'
import { say } from '../options.ts'

const AT_ONCE = 32

type Turn = Readonly<{ provider: string; word: string }>

/** @returns what does not hold. */
export async function sessionsOver(
  cluster: Cluster,
  model: string,
  sessions: number,
): Promise<readonly string[]> {
  const last = new Map<number, string>()
  const problems: string[] = []
  const phase = async (what: string, isBoundKnown: boolean): Promise<void> => {
    const live = cluster.nodes.filter(({ role }) => role.running)
    const words = new Map<string, number>()
    let stayed = 0
    let failed = 0
    let next = 0
    const worker = async (): Promise<void> => {
      while (next < sessions) {
        const session = next++
        // Each turn at another node than the one before.
        const turn = await ask(live[(session + words.size) % live.length]!.url, model, session)
        if (turn === null) {
          failed += 1
          continue
        }
        words.set(turn.word, (words.get(turn.word) ?? 0) + 1)
        const before = last.get(session)
        if (before === undefined || before === turn.provider) stayed += 1
        else if (isBoundKnown && !turn.word.startsWith('moved:'))
          problems.push(`${what}: session ${session} moved and was told '${turn.word}'`)
        last.set(session, turn.provider)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    const told = [...words].map(([word, count]) => `${word} ${count}`).join(', ')
    say(
      `${what}: ${((stayed / sessions) * 100).toFixed(1)} % of ${sessions} turns stayed; ${told}; ${failed} failed`,
    )
    if (failed > 0) problems.push(`${what}: ${failed} turns failed`)
  }
  await phase('first turn', true)
  await phase('second turn, other nodes', true)
  await cluster.nodes[0]!.role.kill('SIGKILL')
  await phase('one node killed', true)
  await cluster.redis.server.kill('SIGKILL')
  await phase('Redis killed', false)
  await cluster.redis.server.restart()
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  await phase('Redis back, empty', false)
  await phase('and once more', true)
  await cluster.nodes[0]!.role.restart()
  await phase('the node back', true)
  return problems
}

async function ask(url: string, model: string, session: number): Promise<Turn | null> {
  try {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${CLIENT_KEY}`, 'x-session-id': `session-${session}` },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
    })
    await answer.arrayBuffer()
    if (answer.status !== 200) return null
    return {
      provider: answer.headers.get('x-apiproxy-provider') ?? '',
      word: answer.headers.get('x-apiproxy-session') ?? '',
    }
  } catch {
    return null
  }
}
