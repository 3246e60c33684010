/**
 * What was said in a request whose key has contents logged. Every look leaves its record among the admin calls
 * before it is answered: who looked at which request.
 */
import { TRPCError } from '@trpc/server'
import { z } from 'zod'
import { ContentUnavailable, type Content } from '#contracts/content/content.ts'
import type { AdminContext } from '../context.ts'
import { actorName, answered, procedure } from '../trpc.ts'

const NOT_RECORDED =
  'the database does not answer now: that somebody looks cannot be recorded, so nothing is shown; try again'

export const requestContent = procedure
  .meta({
    description: 'What was said in one request, secrets taken out, where its key has contents logged.',
  })
  .input(z.strictObject({ id: z.string().min(1).max(100).describe('Its x-request-id.') }))
  .query(async ({ ctx, input: { id } }) => {
    const content = await contentOf(ctx, id)
    if (content === null) {
      throw new TRPCError({
        code: 'NOT_FOUND',
        message: `no content of a request ${id}: its key does not log any, its time is over, or it was lost`,
      })
    }
    const look = ctx.calls.recordLook(actorName(ctx), `content of request ${id} of key ${content.key}`)
    await answered(look, NOT_RECORDED)
    ctx.note.written = true
    return content
  })

async function contentOf({ contents }: AdminContext, id: string): Promise<Content | null> {
  if (contents === null) {
    const message = 'contents are kept in Redis, and this control plane has no REDIS_URL'
    throw new TRPCError({ code: 'PRECONDITION_FAILED', message })
  }
  try {
    return await contents.read(id)
  } catch (cause) {
    if (!(cause instanceof ContentUnavailable)) throw cause
    const message = 'where contents are kept does not answer now; try again'
    throw new TRPCError({ code: 'SERVICE_UNAVAILABLE', message, cause })
  }
}
