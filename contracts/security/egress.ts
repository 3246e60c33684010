/**
 * The egress guard: which addresses a provider may live on.
 *
 * Pure in effect. Used three times: when a base URL is accepted, when a host name is looked up, and on the
 * connected socket. A lookup hook alone does not help: HTTP clients never call it for IP literals.
 */
import { BlockList, isIP } from 'node:net'

/** Ranges that are not the public internet, IPv4 by RFC 6890 and successors. */
const PRIVATE_V4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const

/** IPv6: everything outside 2000::/3 is refused by rule; these are the exceptions inside it. */
const PRIVATE_V6 = [
  ['2001::', 23], // protocol assignments, with Teredo
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4: carries an IPv4 address inside
  ['3fff::', 20], // documentation
] as const

const blocked = new BlockList()
for (const [net, bits] of PRIVATE_V4) blocked.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of PRIVATE_V6) blocked.addSubnet(net, bits, 'ipv6')
const globalV6 = new BlockList()
globalV6.addSubnet('2000::', 3, 'ipv6')

/** @returns true unless the address is on the public internet. Not an address: true. */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return blocked.check(address, 'ipv4')
  // Mapped, compatible, NAT64, unique-local, link-local and multicast forms all lie outside 2000::/3.
  if (family === 6) return !globalV6.check(address, 'ipv6') || blocked.check(address, 'ipv6')
  return true
}

/**
 * Judges the host of a URL without asking DNS. Host names pass (they are checked again when they are looked
 * up), except those that name this machine by definition.
 */
export function isPrivateHost(hostname: string): boolean {
  // The URL parser has already turned hex, octal, decimal and short IPv4 forms into dotted decimal.
  const host = hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
  if (isIP(host) !== 0) return isPrivateAddress(host)
  return host === '' || host === 'localhost' || host.endsWith('.localhost') || host.endsWith('.internal')
}
