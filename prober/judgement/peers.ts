/**
 * Scores all deployments, each among those that can stand in for it.
 *
 * Pure. Peers are the deployments that share a public model; one that serves several has the peers of all.
 */
import { floorOf, referenceOf, score, type Reading, type Score } from './score.ts'

export type Member = Readonly<{
  reading: Reading
  /** Public models it serves. */
  routes: readonly string[]
  /** Operator weight. */
  weight: number
}>

/** @returns scores in the order of the members. */
export function scoreAll(members: readonly Member[]): readonly Score[] {
  const byRoute = Map.groupBy(
    members.flatMap((member) => member.routes.map((route) => ({ route, member }))),
    ({ route }) => route,
  )
  return members.map((member) => {
    const peers = new Set([member])
    for (const route of member.routes) for (const peer of byRoute.get(route) ?? []) peers.add(peer.member)
    return scoreOne(member, [...peers])
  })
}

function scoreOne({ reading, weight }: Member, peers: readonly Member[]): Score {
  const rate = peers.reduce((sum, peer) => sum + peer.reading.rate, 0)
  const weights = peers.reduce((sum, peer) => sum + peer.weight, 0)
  const fullRate = weights > 0 ? (rate * weight) / weights : rate
  const reference = referenceOf(peers.map((peer) => peer.reading))
  return score(reading, reference, floorOf(fullRate), peers.length > 1)
}
