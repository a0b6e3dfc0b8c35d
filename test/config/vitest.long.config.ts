import { mergeConfig } from "vitest/config"
import base from "./vitest.config.js"

/** Comparisons that take minutes: not part of the test command. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  { test: { include: ["test/**/*.long.ts"], testTimeout: 300_000, reporters: "verbose" } }
)
