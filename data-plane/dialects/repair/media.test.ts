import { describe, expect, it } from 'vitest'
import { dataUrl, mediaKindOf, parseDataUrl, sniffMimeType, standardBase64 } from './media.ts'

const base64 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('base64')

describe('data URLs', () => {
  it('gives back what it was made of', () => {
    expect(parseDataUrl(dataUrl('image/png', 'iVBORw0KGgo='))).toEqual({
      mimeType: 'image/png',
      data: 'iVBORw0KGgo=',
    })
  })

  it.each([
    ['data:image/PNG;base64,AAAA', 'image/png', 'AAAA'],
    ['DATA:image/png;Base64,AAAA', 'image/png', 'AAAA'],
    ['data:text/plain;charset=utf-8;base64,aGk=', 'text/plain', 'aGk='],
    ['data:;base64,iVBORw0KGgoAAAAN', 'image/png', 'iVBORw0KGgoAAAAN'],
    ['data:;base64,aGk=', 'text/plain', 'aGk='],
    ['data:text/plain,h%C3%A9', 'text/plain', Buffer.from('hé').toString('base64')],
    ['data:,hi', 'text/plain', 'aGk='],
  ])('reads %s', (url, mimeType, data) => {
    expect(parseDataUrl(url)).toEqual({ mimeType, data })
  })

  it.each(['https://example.com/a.png', 'data:image/png;base64', 'data:text/plain,%zz', ''])(
    'is null for %s',
    (url) => {
      expect(parseDataUrl(url)).toBeNull()
    },
  )
})

it('base64 of URLs becomes what everybody reads', () => {
  const bytes = Buffer.from([0xfb, 0xff, 0xfe, 0x01])
  expect(standardBase64(bytes.toString('base64url'))).toBe(bytes.toString('base64'))
  const standard = bytes.toString('base64')
  expect(standardBase64(standard)).toBe(standard)
  expect(standardBase64('AA')).toBe('AA==')
  expect(standardBase64('AAAA\nAA==')).toBe('AAAA\nAA==')
})

describe('sniffMimeType', () => {
  it.each([
    ['\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'image/png'],
    ['\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01', 'image/jpeg'],
    ['GIF89a............', 'image/gif'],
    ['RIFF\x24\0\0\0WEBPVP8 ', 'image/webp'],
    ['RIFF\x24\0\0\0WAVEfmt ', 'audio/wav'],
    ['%PDF-1.7\n.........', 'application/pdf'],
    ['ID3\x03\0\0\0\0\0\0\0\0\0\0\0', 'audio/mpeg'],
    ['\0\0\0\x18ftypisom\0\0\0\0', 'video/mp4'],
    ['\0\0\0\x18ftypheic\0\0\0\0', 'image/heic'],
    ['\x1a\x45\xdf\xa3...........', 'video/webm'],
  ])('knows a file by its first bytes (%#: %s)', (bytes, mimeType) => {
    expect(sniffMimeType(base64(bytes))).toBe(mimeType)
  })

  it('does not guess', () => {
    expect(sniffMimeType(base64('hello, world, hello'))).toBeUndefined()
    expect(sniffMimeType('')).toBeUndefined()
    expect(sniffMimeType('not base64 at all!!!')).toBeUndefined()
  })
})

it('tells the kind by the media type', () => {
  expect(['image/png', 'Audio/wav', 'video/mp4', 'application/pdf', 'text/csv'].map(mediaKindOf)).toEqual([
    'image',
    'audio',
    'video',
    'document',
    'document',
  ])
})
