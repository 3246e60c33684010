/**
 * Elements, and how what is shown becomes what should be shown.
 *
 * Whatever is given as a child becomes text. Nothing here reads markup, so no value can become any.
 */
type Handlers = Partial<
  Pick<GlobalEventHandlers, 'onclick' | 'oninput' | 'onchange' | 'onsubmit' | 'onclose' | 'oncancel'>
>
type Attribute = string | number | boolean | null | undefined
export type Props = Readonly<Record<string, Attribute | Handlers>>
export type Child = Node | string | number | null | undefined | false | readonly Child[]

/** @param props attributes; false, null and undefined are left out. `on: { onclick }` listens. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Props = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  return filled(document.createElement(tag), props, children)
}

export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  props: Props = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children)
}

function filled<Made extends Element>(element: Made, props: Props, children: readonly Child[]): Made {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'object' && value !== null) Object.assign(element, value)
    else if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value === true ? '' : safe(name, String(value)))
  }
  element.append(...nodesOf(children))
  return element
}

/** Links lead to places of the console and nowhere else. */
function safe(name: string, value: string): string {
  if (name !== 'href' || value.startsWith('#')) return value
  throw new Error('a link must stay in the console')
}

export function nodesOf(child: Child): readonly Node[] {
  if (child === null || child === undefined || child === false) return []
  if (child instanceof Node) return [child]
  if (typeof child === 'object') return child.flatMap(nodesOf)
  return [document.createTextNode(String(child))]
}

/** @returns what stands in the field that an event happened to. */
export function valueIn({ currentTarget: field }: Event): string {
  return field instanceof HTMLInputElement || field instanceof HTMLSelectElement ? field.value.trim() : ''
}

const HANDLERS = ['onclick', 'oninput', 'onchange', 'onsubmit', 'onclose', 'oncancel'] as const

/**
 * Makes `present` look like `wanted`, touching only what differs: what somebody has focused, opened, scrolled
 * to or selected stays so. `wanted` is used up; its handlers go on in `present`, so they look at what an event
 * happened to and not at what they were made with.
 */
function morph(present: Element, wanted: Element): void {
  const isTold = saidBy(present) !== saidBy(wanted)
  for (const { name } of Array.from(present.attributes)) {
    // Whether it is open is the reader's choice.
    if (!wanted.hasAttribute(name) && name !== 'open') present.removeAttribute(name)
  }
  for (const { name, value } of wanted.attributes) {
    if (present.getAttribute(name) !== value && name !== 'open') present.setAttribute(name, value)
  }
  if (isListening(present) && isListening(wanted))
    for (const name of HANDLERS) Object.assign(present, { [name]: wanted[name] })
  morphChildren(present, [...wanted.childNodes])
  // What somebody has filled in stays, unless the page says otherwise than before.
  if (isTold && present !== document.activeElement) takeValue(present, wanted)
}

/** What the page fills into a field. */
const saidBy = (element: Element): string | null =>
  element instanceof HTMLSelectElement
    ? (element.querySelector('option[selected]')?.getAttribute('value') ?? null)
    : element.getAttribute('value')

type Listening = HTMLElement | SVGElement
const isListening = (element: Element): element is Listening =>
  element instanceof HTMLElement || element instanceof SVGElement

function takeValue(present: Element, wanted: Element): void {
  if (present instanceof HTMLInputElement && wanted instanceof HTMLInputElement) present.value = wanted.value
  if (present instanceof HTMLSelectElement && wanted instanceof HTMLSelectElement)
    present.value = wanted.value
}

export function morphChildren(parent: Element, wanted: readonly Node[]): void {
  const keyed = new Map<string, Element>()
  for (const child of parent.children) {
    const key = child.getAttribute('data-key')
    if (key !== null) keyed.set(key, child)
  }
  let at: ChildNode | null = parent.firstChild
  for (const node of wanted) {
    const key = node instanceof Element ? node.getAttribute('data-key') : null
    const known = key === null ? at : (keyed.get(key) ?? null)
    if (known !== null && isAlike(known, node)) {
      if (known !== at) parent.insertBefore(known, at)
      else at = at.nextSibling
      become(known, node)
    } else parent.insertBefore(node, at)
  }
  while (at !== null) {
    const next: ChildNode | null = at.nextSibling
    at.remove()
    at = next
  }
}

function become(present: Node, wanted: Node): void {
  if (present instanceof Element && wanted instanceof Element) morph(present, wanted)
  else if (present.nodeValue !== wanted.nodeValue) present.nodeValue = wanted.nodeValue
}

function isAlike(present: Node, wanted: Node): boolean {
  if (present.nodeName !== wanted.nodeName) return false
  if (!(present instanceof Element) || !(wanted instanceof Element)) return true
  return present.getAttribute('data-key') === wanted.getAttribute('data-key')
}
