import { describe, expect, test } from 'vitest'
import { ago, count, daysUntil, dayName, dollars, figure, moment, percent, span, utc } from './format.ts'

const AT = Date.UTC(2026, 10, 28, 22, 10, 3)

describe('numbers', () => {
  test.each([
    [0, '0'],
    [1234, '1,234'],
    [99_999, '99,999'],
    [1_234_567, '1.2M'],
  ])('%d is %s', (value, text) => expect(count(value)).toBe(text))

  test.each<[number | null, string]>([
    [null, '–'],
    [0, '$0.00'],
    [1234.567, '$1,234.57'],
    [0.5, '$0.50'],
    [0.003_175, '$0.00318'],
    [0.000_025, '$0.000025'],
    [0.000_000_2, '<$0.000001'],
    [-2, '-$2.00'],
  ])('%d dollars are %s', (value, text) => expect(dollars(value)).toBe(text))

  test('shares and figures have no noise', () => {
    expect([percent(0), percent(0.054), percent(0.5), percent(1)]).toEqual(['0 %', '5.4 %', '50 %', '100 %'])
    expect(figure(0.1 + 0.2)).toBe('0.3')
  })
})

describe('times', () => {
  test.each([
    [12.4, '12 ms'],
    [1_250, '1.3 s'],
    [59_000, '59 s'],
    [61_000, '1 min'],
    [7_200_000, '2 h'],
    [4 * 86_400_000, '4 d'],
  ])('%d milliseconds are %s', (ms, text) => expect(span(ms)).toBe(text))

  test('that seem to come are now, because clocks differ', () => {
    expect([ago(AT + 500, AT), ago(AT - 65_000, AT)]).toEqual(['just now', '1 min ago'])
  })

  test('are those of the reader, and UTC is told beside them', () => {
    expect(moment(AT, AT, 'UTC')).toBe('28 Nov, 22:10:03')
    expect(moment(AT, AT, 'Asia/Shanghai')).toBe('29 Nov, 06:10:03')
    expect(moment(AT, AT + 60 * 86_400_000, 'UTC')).toBe('28 Nov 2026, 22:10:03')
    expect(utc(AT)).toBe('2026-11-28 22:10:03 UTC')
  })

  test('days are those of the books', () => {
    expect(daysUntil(AT, 3)).toEqual(['2026-11-26', '2026-11-27', '2026-11-28'])
    expect(dayName('2026-11-28')).toBe('28 Nov')
  })
})
