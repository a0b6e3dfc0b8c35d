import { defineConfig, mergeConfig } from "vitest/config"
import shared from "./vitest.config.js"

// Other people's clients: test/clients/run installs them first.
export default defineConfig({
  ...mergeConfig(shared, {}),
  test: {
    ...shared.test,
    include: ["test/clients/*.test.ts"],
    exclude: ["**/node_modules/**"],
    fileParallelism: false,
    testTimeout: 60_000
  }
})
