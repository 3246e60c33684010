import { describe, expect, test } from 'vitest'
import { isPrivateAddress, isPrivateHost } from './egress.ts'

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

/** An address of every range that is not the public internet, its edges among them. */
const PRIVATE_V4 = words(`
  0.0.0.0 0.255.255.255 10.0.0.0 10.1.2.3 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.0.0.53
  127.255.255.254 169.254.169.254 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1
  192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1
  239.255.255.255 240.0.0.1 255.255.255.255
`)

const octets = (address: string): readonly [number, number, number, number] => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  return [a, b, c, d]
}
const hex = (value: number, width = 0): string => value.toString(16).padStart(width, '0')
const oct = (value: number): string => `0${value.toString(8)}`

/** The ways to write an IPv4 address that some parser somewhere takes for that address. */
function spellingsV4(address: string): readonly string[] {
  const [a, b, c, d] = octets(address)
  const whole = ((a * 256 + b) * 256 + c) * 256 + d
  const wide = (text: string): string =>
    text.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)))
  return [
    address,
    `${address}.`,
    String(whole),
    `0x${hex(whole)}`,
    `0X${hex(whole, 8).toUpperCase()}`,
    `0${whole.toString(8)}`,
    [a, b, c, d].map((octet) => `0x${hex(octet)}`).join('.'),
    [a, b, c, d].map(oct).join('.'),
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${(b * 256 + c) * 256 + d}`,
    `0x${hex(a)}.${b}.${oct(c)}.${d}`,
    wide(address),
    address.replaceAll('.', '。'),
    address.replaceAll('.', '．'),
    address.replace(/\d/g, (digit) => `%3${digit}`),
    address.replaceAll('.', '%2e'),
  ]
}

/** The ways to write an IPv4 address as an IPv6 one. */
function spellingsV6(address: string): readonly string[] {
  const [a, b, c, d] = octets(address)
  const tail = `${hex(a * 256 + b)}:${hex(c * 256 + d)}`
  return [
    `::ffff:${address}`, // mapped
    `::ffff:${tail}`,
    `0:0:0:0:0:FFFF:${tail.toUpperCase()}`,
    `::${address}`, // compatible
    `::ffff:0:${address}`, // translated, SIIT
    `64:ff9b::${address}`, // NAT64
    `64:ff9b:1::${tail}`, // NAT64, local use
    `2002:${tail}::`, // 6to4
    `2002:${tail}::1`,
    `2001:0:4136:e378:8000:63bf:${hex(0xffff - (a * 256 + b))}:${hex(0xffff - (c * 256 + d))}`, // Teredo
  ]
}

const PRIVATE_V6 = words(`
  :: ::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 fe80::1 febf::1 FE80::ABCD fec0::1 fc00::1
  fd12:3456:789a::1 fdff:ffff:: ff02::1 ff0e::1 100::1 100:0:0:1::1 5f00::1 2001:db8::1 2001:db8:ffff::
  2001::1 2001:10::1 2001:20::1 2002::1 3fff::1 3fff:fff::1 4000::1
`)

const NAMES = words(`
  localhost LOCALHOST LocalHost. app.localhost a.b.localhost. metadata.google.internal
  METADATA.GOOGLE.INTERNAL. host.docker.internal db.internal ｌｏｃａｌｈｏｓｔ local%68ost
`)

/** What the URL parser makes of a host, or null when it refuses: then no base URL can carry it. */
function hostOf(spelling: string): string | null {
  const host = spelling.includes(':') ? `[${spelling}]` : spelling
  return URL.canParse(`http://${host}/v1`) ? new URL(`http://${host}/v1`).hostname : null
}

const CORPUS = [
  ...PRIVATE_V4.flatMap((address) => [...spellingsV4(address), ...spellingsV6(address)]),
  ...PRIVATE_V6,
  ...NAMES,
]

const PUBLIC = words(`
  1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1
  169.253.255.255 169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1
  198.17.255.255 198.20.0.1 203.0.112.255 223.255.255.255 2606:4700:4700::1111 2001:4860:4860::8888
  2400:cb00::1 2a00:1450:4001::200e 2003::1 3ffe::1 2620:fe::fe
`)

describe('a host that is not on the public internet', () => {
  test('is refused in all of more than 200 spellings', () => {
    expect(CORPUS.length).toBeGreaterThan(700)
    const passed = CORPUS.filter((spelling) => {
      const host = hostOf(spelling)
      return host !== null && !isPrivateHost(host)
    })
    expect(passed).toEqual([])
    // The parser itself refuses few of them: the corpus tests the guard, not the parser.
    expect(CORPUS.filter((spelling) => hostOf(spelling) !== null).length).toBeGreaterThan(700)
  })

  test('is refused as an address, however it is written, brackets and zones included', () => {
    const addresses = [...PRIVATE_V4, ...PRIVATE_V4.flatMap(spellingsV6), ...PRIVATE_V6]
    expect(addresses.filter((address) => !isPrivateAddress(address))).toEqual([])
    expect(['fe80::1%eth0', '[::1]', '127.0.0.1:80'].filter((address) => !isPrivateAddress(address))).toEqual(
      [],
    )
    expect(isPrivateHost('[::1]')).toBe(true)
  })

  test('is what cannot be read as an address at all', () => {
    const garbage = [
      '',
      ' ',
      'x',
      '1.2.3',
      '1.2.3.4.5',
      '256.1.1.1',
      '::g',
      '0x7f000001',
      '\0',
      '127.0.0.1\n',
      '٤.٤.٤.٤',
    ]
    expect(garbage.filter((text) => !isPrivateAddress(text))).toEqual([])
    expect(isPrivateHost('')).toBe(true)
    expect(isPrivateHost('.')).toBe(true)
  })
})

describe('a host on the public internet', () => {
  test('passes, right up to the edge of every refused range', () => {
    expect(PUBLIC.filter(isPrivateAddress)).toEqual([])
    expect(PUBLIC.map((address) => hostOf(address) ?? '').filter(isPrivateHost)).toEqual([])
  })

  test('passes by name: it is checked again when it is looked up', () => {
    const names = [
      'api.openai.com',
      'localhost.example.com',
      'internal.example.com',
      'xn--bcher-kva.example',
      '127.0.0.1.nip.io',
    ]
    expect(names.filter(isPrivateHost)).toEqual([])
  })
})
