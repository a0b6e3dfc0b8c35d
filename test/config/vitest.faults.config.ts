import { defineConfig, mergeConfig } from "vitest/config"
import shared from "./vitest.config.js"

// Every fault over real sockets, and every point at which a call can be interrupted.
export default defineConfig({
  ...mergeConfig(shared, {}),
  test: {
    ...shared.test,
    include: ["test/faults/*.faults.ts", "test/faults/interruption.test.ts"],
    exclude: ["**/node_modules/**"],
    // A process for each file: what one leaves open is not counted in another, nor which of two undicis came first.
    isolate: true,
    // The collector's helpers wait for a processor as well, and what waits for them would not know for how long.
    poolOptions: { forks: { execArgv: ["--single-threaded-gc"] } },
    setupFiles: ["test/faults/support/nodeAgent.ts"],
    fileParallelism: false,
    silent: false,
    testTimeout: 600_000
  }
})
