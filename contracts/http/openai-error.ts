/**
 * Errors as OpenAI writes them: `{"error":{"message","type","param","code"}}`.
 *
 * Pure.
 */
import { ERRORS, type Problem } from '../errors.ts'

export function openaiErrorBody(problem: Problem): string {
  const { type, message } = ERRORS[problem.code]
  return JSON.stringify({
    error: { message: problem.message ?? message, type, param: problem.param ?? null, code: problem.code },
  })
}

/** The same inside a stream that has begun; the SDKs raise on it. No `[DONE]` follows. */
export const openaiErrorEvent = (problem: Problem): string => `data: ${openaiErrorBody(problem)}\n\n`
