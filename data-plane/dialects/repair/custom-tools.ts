/**
 * Free-form tools as functions, for formats that know only those.
 *
 * Pure. The text becomes the one string argument of a function with the same name; in the answer it is taken
 * out again by whoever writes for the client, who knows from the request which tools are free-form.
 */
import { isObject, parseJson, type RawJson } from '../canonical/json.ts'
import type { CustomTool, FunctionTool } from '../canonical/request.ts'

const FIELD = 'input'

export const asFunction = ({ name, description }: CustomTool): FunctionTool => ({
  kind: 'function',
  name,
  ...(description === undefined ? {} : { description }),
  parameters: {
    type: 'object',
    properties: { [FIELD]: { type: 'string' } },
    required: [FIELD],
    additionalProperties: false,
  },
})

export const wrapText = (text: string): RawJson => JSON.stringify({ [FIELD]: text })

/** @returns the arguments themselves when they are not what `wrapText` makes. */
export function unwrapText(args: RawJson): string {
  const value = parseJson(args)
  const text = isObject(value) ? value[FIELD] : undefined
  return typeof text === 'string' ? text : args
}
