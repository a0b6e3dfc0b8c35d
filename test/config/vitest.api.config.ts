import { defineConfig, mergeConfig } from "vitest/config"
import shared from "./vitest.config.js"

// What users see of the packages: their declarations and their doc comments. Part of `check`, not of `test`.
export default defineConfig({
  ...mergeConfig(shared, {}),
  test: {
    ...shared.test,
    include: ["test/api/*.test.ts"],
    exclude: ["**/node_modules/**"],
    fileParallelism: false,
    diff: { expand: false, contextLines: 3 }
  }
})
