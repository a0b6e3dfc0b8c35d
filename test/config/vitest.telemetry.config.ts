import { defineConfig, mergeConfig } from "vitest/config"
import shared from "./vitest.config.js"

// The suites that need a Jaeger, a Prometheus or some minutes: test/telemetry/run finds or builds what they need.
export default defineConfig({
  ...mergeConfig(shared, {}),
  test: {
    ...shared.test,
    include: ["test/telemetry/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    fileParallelism: false,
    reporters: ["verbose"],
    testTimeout: 180_000,
    hookTimeout: 60_000
  }
})
