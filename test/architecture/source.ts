/**
 * Reads TypeScript by text, without a parser: what a file imports, and what it says when comments and
 * strings are left out.
 *
 * Pure.
 */
export type SourceFile = Readonly<{ path: string; text: string }>

export type Import = Readonly<{ target: string; typeOnly: boolean }>

/** What a slash begins after one of these is a regular expression, not a division. */
const BEFORE_REGEX =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|await|yield|void|delete))$/

type Kept = Readonly<{ comments: boolean; strings: boolean }>

/** @returns the text with blanks in place of what is not kept; every line stays where it was. */
export function blank(text: string, kept: Kept): string {
  let out = ''
  /** Depth of braces at which each open template literal goes on. */
  const templates: number[] = []
  let depth = 0
  const push = (piece: string, keep: boolean): void => {
    out += keep ? piece : piece.replace(/[^\n]/g, ' ')
  }
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at, at + 2)
    const character = text[at] ?? ''
    const end = endOfToken(text, at, rest, out)
    if (end !== null) {
      const isComment = rest === '//' || rest === '/*'
      push(text.slice(at, end), isComment ? kept.comments : kept.strings)
      at = end
    } else if (character === '`' || (character === '}' && templates.at(-1) === depth)) {
      if (character === '}') templates.pop()
      const stop = endOfTemplatePart(text, at + 1)
      push(text.slice(at, stop), kept.strings)
      if (text.slice(stop - 2, stop) === '${') templates.push(depth)
      at = stop
    } else {
      if (character === '{') depth += 1
      if (character === '}') depth -= 1
      out += character
      at += 1
    }
  }
  return out
}

/** @returns where the comment, string or regular expression that begins here ends; null when none does. */
function endOfToken(text: string, at: number, rest: string, before: string): number | null {
  if (rest === '//') return until(text, '\n', at)
  if (rest === '/*') return until(text, '*/', at + 2) + 2
  const quote = rest[0]
  if (quote === "'" || quote === '"') return endOfQuoted(text, at + 1, quote)
  if (quote === '/' && BEFORE_REGEX.test(before.trimEnd().slice(-12))) return endOfRegex(text, at + 1)
  return null
}

function endOfQuoted(text: string, from: number, quote: string): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    else if (text[at] === quote || text[at] === '\n') return at + 1
  }
  return text.length
}

function endOfRegex(text: string, from: number): number {
  let inClass = false
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '[') inClass = true
    else if (text[at] === ']') inClass = false
    else if ((text[at] === '/' && !inClass) || text[at] === '\n') return at + 1
  }
  return text.length
}

/** A template literal ends at its backtick or, for now, at `${`. */
function endOfTemplatePart(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '`') return at + 1
    else if (text[at] === '$' && text[at + 1] === '{') return at + 2
  }
  return text.length
}

const until = (text: string, what: string, from: number): number => {
  const found = text.indexOf(what, from)
  return found === -1 ? text.length : found
}

const IMPORT =
  /(?:^|[;\n])\s*(import|export)\s+(type\s+)?(?:[\w$*\s{},]+?\s+from\s*)?(['"])([^'"\n]+)\3|\bimport\s*\(\s*(['"])([^'"\n]+)\5/g

/** Everything a file imports, or exports from elsewhere. */
export function importsOf(text: string): readonly Import[] {
  const code = blank(text, { comments: false, strings: true })
  const bare = blank(text, { comments: false, strings: false })
  return [...code.matchAll(IMPORT)]
    .filter((match) => !isInString(match, bare))
    .map((match) => ({
      target: match[4] ?? match[6] ?? '',
      typeOnly: match[2] !== undefined || onlyTypesInBraces(match[0]),
    }))
}

/** The keyword is gone where strings are left out. */
function isInString(match: RegExpExecArray, bare: string): boolean {
  const keyword = match.index + match[0].search(/import|export/)
  return bare[keyword] === ' '
}

/** `import { type A, type B } from …` */
function onlyTypesInBraces(statement: string): boolean {
  const names = /\{([^}]*)\}/.exec(statement)?.[1]
  if (names === undefined || /import\s+\w/.test(statement)) return false
  return names.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type '))
}

/** The comment a file opens with. */
export const headerOf = (text: string): string => /^\s*(\/\*\*[^]*?\*\/)/.exec(text)?.[1] ?? ''
