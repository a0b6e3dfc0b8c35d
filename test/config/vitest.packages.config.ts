import { defineConfig, mergeConfig } from "vitest/config"
import shared from "./vitest.config.js"

// The packages as they are published: test/packages/run installs the tools first.
export default defineConfig({
  ...mergeConfig(shared, {}),
  // Nothing stands for a source here: what is tried is what was packed.
  resolve: {},
  test: {
    ...shared.test,
    include: ["test/packages/*.test.ts"],
    exclude: ["**/node_modules/**"],
    globalSetup: ["test/packages/support/setup.ts"],
    fileParallelism: false,
    reporters: ["verbose"],
    silent: false,
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
})
