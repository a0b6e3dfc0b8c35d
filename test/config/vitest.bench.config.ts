import { defineConfig, mergeConfig } from "vitest/config"
import shared from "./vitest.config.js"

// Every row of the benchmarks, for what it answers and not for how fast. In workers of their own: `layer` of @effect/vitest
// with other than its test services changes `it` for every file that comes after, and clients of others leave things behind.
export default defineConfig({
  ...mergeConfig(shared, {}),
  test: {
    ...shared.test,
    include: ["packages/bench/test/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    isolate: true
  }
})
