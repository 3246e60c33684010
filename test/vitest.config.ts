import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { ClosingLine } from './closing-line.ts'

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['{contracts,control-plane,data-plane,prober,test}/**/*.test.ts'],
    globalSetup: ['test/services/global-setup.ts'],
    reporters: ['default', new ClosingLine()],
    // Test files keep nothing in modules and set nothing global, so they can share a process; starting one for
    // each file would take longer than most files do.
    isolate: false,
    // Servers and timers are waited for more than computed.
    maxWorkers: availableParallelism() + 1,
    // A first run may install servers or pull images.
    hookTimeout: 180_000,
    testTimeout: 30_000,
  },
})
