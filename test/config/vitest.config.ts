import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const root = fileURLToPath(new URL("../..", import.meta.url))

export default defineConfig({
  root,
  resolve: {
    // Tests run against the sources, so that a failure points into them; what is built is tried by the command's tests.
    alias: [
      {
        find: /^@spillway\/(core|azure-openai|emulator|lab|opentelemetry)$/,
        replacement: `${root}packages/$1/src/index.ts`
      },
      {
        find: /^@spillway\/(core|azure-openai|emulator|lab|opentelemetry)\/(.+)$/,
        replacement: `${root}packages/$1/src/$2.ts`
      }
    ]
  },
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
    exclude: [
      "**/node_modules/**",
      "**/dist/**",
      "test/.generated/**",
      "test/telemetry/**",
      "test/clients/**",
      "test/packages/**",
      "test/api/**",
      "packages/bench/test/**"
    ],
    // Importing Effect takes longer than most files' tests: workers keep their modules from file to file.
    pool: "forks",
    isolate: false,
    poolOptions: { forks: { minForks: 2, maxForks: 2 } },
    // What a passing test logs tells nobody anything.
    silent: "passed-only",
    testTimeout: 60_000
  }
})
