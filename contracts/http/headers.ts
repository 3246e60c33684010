/**
 * Header names of our own, lower case.
 */
export const REQUEST_ID = 'x-request-id'
/** Provider and upstream model that answered, how many attempts it took, under which commit. */
export const PROVIDER = 'x-apiproxy-provider'
export const MODEL = 'x-apiproxy-model'
export const ATTEMPTS = 'x-apiproxy-attempts'
export const COMMIT = 'x-apiproxy-commit'
/** `bound`, `kept` or `moved:<reason>`, for requests with a session. */
export const SESSION = 'x-apiproxy-session'
/** Status of the last upstream answer behind an error of ours. */
export const UPSTREAM_STATUS = 'x-apiproxy-upstream-status'
/** What a conversion could not keep: `parameter:reason`, separated by commas. */
export const WARNINGS = 'x-apiproxy-warnings'
/** `true`: the client wants such losses refused with 400. */
export const STRICT = 'x-apiproxy-strict'
/** `false`: the SDKs must not try again, we have done what could be done. */
export const SHOULD_RETRY = 'x-should-retry'
/** Session named by the client. */
export const SESSION_ID = 'x-session-id'
