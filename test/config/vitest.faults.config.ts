import { defineConfig, mergeConfig } from "vitest/config"
import shared from "./vitest.config.js"

// Every fault over real sockets, and every point at which a call can be interrupted.
export default defineConfig({
  ...mergeConfig(shared, {}),
  test: {
    ...shared.test,
    include: ["test/faults/*.faults.ts", "test/faults/interruption.test.ts"],
    exclude: ["**/node_modules/**"],
    fileParallelism: false,
    silent: false,
    testTimeout: 600_000
  }
})
