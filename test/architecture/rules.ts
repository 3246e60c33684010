/**
 * The plan of the house: who may import whom, where each package lives, what must be pure.
 *
 * Adding a folder is one line in `PLANES`; adding a package is one line in `HOMES`.
 */

/**
 * Inside a plane imports point down these lists only: a place may import itself and those below it.
 * A place is a folder, or a file where it stands apart from its folder; the longest match counts.
 */
export const PLANES = {
  contracts: [
    'usage',
    'process',
    'bus',
    'content',
    'redis',
    // Folds commits, which are made of events: the one file that looks back over its folder's edge.
    'catalog/fold.ts',
    'weights',
    'routing',
    'telemetry',
    'fleet',
    'security',
    'commit',
    'catalog',
    'http',
    'errors.ts',
    'canonical.ts',
    'ids.ts',
    'result.ts',
    'roster.ts',
  ],
  'data-plane': [
    'main.ts',
    'app.ts',
    'metrics.ts',
    'server.ts',
    'api',
    'sync',
    'admission',
    'budgets',
    'usage',
    'upstream',
    'telemetry',
    'sessions',
    'carriers',
    'notes',
    'dialects',
    'routing',
    'listener',
    'http',
    'config.ts',
  ],
  'control-plane': [
    'embedded',
    'main.ts',
    'app.ts',
    'metrics.ts',
    'server.ts',
    'console',
    'bootstrap/apply.ts',
    'admin/cli.ts',
    'admin/cli',
    'admin/plugin.ts',
    'admin/client.ts',
    'admin/event-stream.ts',
    'admin/router.ts',
    'admin/procedures',
    'admin/spending',
    'admin/reports',
    'admin',
    'what-if',
    'explain',
    'discovery',
    'usage',
    'nodes',
    'budgets',
    'relay',
    'projections',
    'audit',
    'config.ts',
    'bootstrap',
    'commands',
    'store',
  ],
  prober: [
    'main.ts',
    'app.ts',
    'metrics.ts',
    'publish.ts',
    'consume.ts',
    'lease.ts',
    'roster.ts',
    'probe',
    'judgement.ts',
    'probe/plan.ts',
    'judgement',
    'config.ts',
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>

/** Planes that may see other planes beside `contracts`. */
export const SEES_ALL = ['control-plane/embedded/']

/** What a browser runs: it loads nothing but what is served with it, and is loaded by nobody else. */
export const PAGE = 'control-plane/console/page/'

/** Package → where it may be loaded; its types may be named anywhere. `*` stands for any part of one path segment, `**` for any path. */
export const HOMES: Readonly<Record<string, readonly string[]>> = {
  '@electric-sql/pglite': ['control-plane/embedded/**'],
  '@nats-io/jetstream': ['contracts/bus/**'],
  '@nats-io/kv': ['contracts/bus/**'],
  '@nats-io/transport-node': ['contracts/bus/**'],
  '@prometheus-io/client': ['contracts/process/metrics.ts'],
  '@trpc/client': ['control-plane/admin/**'],
  '@trpc/server': ['control-plane/admin/**', 'control-plane/server.ts'],
  commander: ['control-plane/admin/**'],
  'eventsource-parser': ['data-plane/upstream/**', 'control-plane/admin/**'],
  fastify: [
    'contracts/process/health.ts',
    '*/server.ts',
    'data-plane/api/**',
    'control-plane/console/**',
    'control-plane/nodes/**',
  ],
  ioredis: ['**/*-redis.ts'],
  kysely: ['control-plane/store/**'],
  'lru-cache': ['**/*-memory.ts'],
  pg: ['control-plane/store/**', 'control-plane/embedded/postgres.ts'],
  pino: ['contracts/process/logger.ts'],
  'trpc-cli': ['control-plane/admin/**'],
  undici: [
    'contracts/security/guarded-connector.ts',
    'contracts/fleet/control-http.ts',
    'prober/probe/**',
    'control-plane/discovery/**',
  ],
  yaml: ['control-plane/bootstrap/**'],
  // Schemas are for borders: what comes from outside, from disk, or from another process.
  zod: ['contracts/**', '**/config.ts', 'control-plane/**', 'data-plane/sync/disk/**', 'prober/**'],
}

/**
 * Files that must say in their header that they are pure. Whoever says so is checked: no clock, no dice, no
 * waiting, no world. `Pure in effect` may use functions of node that only compute.
 */
export const PURE = [
  'contracts/*.ts',
  'contracts/catalog/{*,facts/*,money/*}.ts',
  'contracts/commit/*.ts',
  'contracts/routing/*.ts',
  'contracts/telemetry/*.ts',
  'contracts/usage/*.ts',
  'contracts/weights/*.ts',
  'contracts/bus/subjects.ts',
  'data-plane/routing/{compile,model-list,principals,resolve,snapshot}.ts',
  'data-plane/dialects/**/*.ts',
  'data-plane/carriers/{kept,parts-of-stream}.ts',
  'data-plane/admission/{limit-headers,limits}.ts',
  'data-plane/budgets/{estimate,purse}.ts',
  'data-plane/api/calls/{request-headers,upstream-dialect}.ts',
  'data-plane/upstream/{answer-head,classify,rate-limits,spent,upstream-error}.ts',
  'data-plane/upstream/http/{chunks,ended,head,request}.ts',
  'data-plane/http/*.ts',
  'data-plane/listener/chunked.ts',
  'data-plane/listener/plain/head.ts',
  'data-plane/upstream/passage/commit-gate.ts',
  'data-plane/sessions/{binding,clip,redact,retell}.ts',
  'data-plane/sync/cursor.ts',
  'control-plane/budgets/grant.ts',
  'control-plane/audit/{changed,diff,export,fields,replay,signer,statement,verify-log,words}.ts',
  'control-plane/console/page/{events,format,route,words}.ts',
  'control-plane/console/page/parts/{chart,first-request,limits}.ts',
  'control-plane/what-if/{evidence,knowledge,limits,past-request,replay,tally,ways,what-if}.ts',
  'control-plane/explain/{candidates,recompute,resolve-name,shift}.ts',
  'control-plane/commands/{command,decide,decide-*,decided,restore,declared/*,money/*}.ts',
  'prober/judgement/{capacity,damp,estimate,memory,peers,score,window}.ts',
  'prober/probe/plan.ts',
]

/** Parts of node that only compute, and are globals besides. */
export const PURE_NODE = ['node:buffer']

/** Where time and chance enter; everybody else is given them. */
export const CLOCKS = [
  'contracts/process/{clock,lifecycle}.ts',
  '*/main.ts',
  'control-plane/embedded/**',
  'control-plane/console/page/main.ts',
]

export const FORBIDDEN_NAMES = [
  'utils',
  'util',
  'helpers',
  'helper',
  'common',
  'manager',
  'service',
  'types',
  'misc',
  'index',
]

export const MAX_LINES = 400
/** Tests are not counted: they sit beside what they test. */
export const MAX_FILES_PER_FOLDER = 12
export const MAX_DEPTH = 4
