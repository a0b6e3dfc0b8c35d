import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Option, Redacted } from "effect"
import * as Environment from "../src/Environment.js"

const settings = (env: Record<string, string>) =>
  Effect.withConfigProvider(Environment.settings, Environment.provider(env))

const problems = (env: Record<string, string>) => Effect.map(Effect.flip(settings(env)), (misuse) => misuse.problems)

const complete = {
  AZURE_OPENAI_ENDPOINT: "https://contoso.openai.azure.com",
  AZURE_OPENAI_API_KEY: "the-key",
  PTU_DEPLOYMENT: "ptu",
  STANDARD_DEPLOYMENT: "std"
}

describe("Environment", () => {
  it.effect("without an endpoint everything has a default; a blank variable is one that is not set", () =>
    Effect.gen(function* () {
      const defaults = yield* settings({ AZURE_OPENAI_ENDPOINT: " ", AZURE_OPENAI_API_KEY: "unused", PTU_MAX_WAIT: "" })

      assert.deepStrictEqual(defaults, {
        resource: Option.none(),
        ptuDeployment: "gpt-4o-ptu",
        standardDeployment: "gpt-4o",
        maxWait: Duration.seconds(4),
        maxRetries: 2,
        exports: Option.none()
      })
    })
  )

  it.effect("with an endpoint, one resource serves both deployments", () =>
    Effect.gen(function* () {
      const { maxRetries, maxWait, resource } = yield* settings({ ...complete, PTU_MAX_WAIT: "0", MAX_RETRIES: "0" })
      const found = Option.getOrThrow(resource)

      assert.strictEqual(found.endpoint.href, "https://contoso.openai.azure.com/")
      assert.strictEqual(found.standardEndpoint.href, found.endpoint.href)
      assert.strictEqual(Redacted.value(found.apiKey), "the-key")
      assert.strictEqual(Redacted.value(found.standardApiKey), "the-key")
      assert.strictEqual(found.apiVersion, undefined)
      assert.deepStrictEqual([Duration.toMillis(maxWait), maxRetries], [0, 0])
    })
  )

  it.effect("Standard may be on another resource, under the same name", () =>
    Effect.gen(function* () {
      const { resource } = yield* settings({
        ...complete,
        STANDARD_DEPLOYMENT: "ptu",
        STANDARD_ENDPOINT: "https://fabrikam.openai.azure.com/openai/v1/",
        STANDARD_API_KEY: "the-other-key",
        AZURE_OPENAI_API_VERSION: "2024-10-21"
      })
      const found = Option.getOrThrow(resource)

      assert.strictEqual(found.standardEndpoint.href, "https://fabrikam.openai.azure.com/")
      assert.strictEqual(Redacted.value(found.standardApiKey), "the-other-key")
      assert.strictEqual(found.apiVersion, "2024-10-21")
    })
  )

  it.effect("the first variable that is set names the endpoint and the key", () =>
    Effect.gen(function* () {
      const { AZURE_OPENAI_API_KEY: _key, AZURE_OPENAI_ENDPOINT: _endpoint, ...deployments } = complete
      const key = (env: Record<string, string>) =>
        Effect.map(settings({ ...deployments, OPENAI_API_BASE: "https://base.example", ...env }), ({ resource }) => {
          const found = Option.getOrThrow(resource)
          return [found.endpoint.host, Redacted.value(found.apiKey)]
        })

      assert.deepStrictEqual(yield* key({ OPEN_API_KEY: "c" }), ["base.example", "c"])
      assert.deepStrictEqual(yield* key({ OPEN_API_KEY: "c", OPENAI_API_KEY: "b" }), ["base.example", "b"])
      assert.deepStrictEqual(yield* key({ OPENAI_API_KEY: "b", ...complete }), ["contoso.openai.azure.com", "the-key"])
    })
  )

  it.effect("tells of everything that is missing at once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problems({ OPENAI_API_BASE: "https://contoso.openai.azure.com" }), [
        "AZURE_OPENAI_API_KEY: not set (nor OPENAI_API_KEY, OPEN_API_KEY): expected a key of the resource",
        "PTU_DEPLOYMENT: not set: expected the name of the provisioned deployment",
        "STANDARD_DEPLOYMENT: not set: expected the name of the Standard deployment"
      ])
    })
  )

  it.effect("tells of everything that is wrong at once, by the name that was used", () =>
    Effect.gen(function* () {
      const found = yield* problems({
        ...complete,
        AZURE_OPENAI_ENDPOINT: "",
        OPENAI_API_BASE: "contoso",
        AZURE_OPENAI_API_VERSION: "v1",
        PTU_MAX_WAIT: "abc",
        MAX_RETRIES: "1.5",
        STANDARD_ENDPOINT: "ftp://fabrikam",
        OTEL_EXPORTER_OTLP_ENDPOINT: "localhost:4318"
      })
      const url = "expected the URL of an Azure OpenAI resource, such as https://my-resource.openai.azure.com"

      assert.deepStrictEqual(found, [
        `OPENAI_API_BASE: not a URL: ${url}`,
        `STANDARD_ENDPOINT: not an http or https URL: ${url}`,
        'AZURE_OPENAI_API_VERSION: "v1": expected a date such as 2024-10-21 or 2025-04-01-preview, or no value for the v1 API',
        'PTU_MAX_WAIT: "abc": expected milliseconds, a whole number from 0, such as 4000',
        'MAX_RETRIES: "1.5": expected a number of retries, a whole number from 0, such as 2',
        'OTEL_EXPORTER_OTLP_ENDPOINT: "localhost:4318": expected the URL of an OTLP/HTTP collector, such as http://localhost:4318'
      ])
    })
  )

  it.effect("checks the policy without an endpoint as well", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problems({ PTU_MAX_WAIT: "-1" }), [
        'PTU_MAX_WAIT: "-1": expected milliseconds, a whole number from 0, such as 4000'
      ])
    })
  )

  it.effect("two deployments of one name on one resource are a mistake", () =>
    Effect.gen(function* () {
      const same =
        'STANDARD_DEPLOYMENT: "ptu", the same as PTU_DEPLOYMENT: expected another deployment, or STANDARD_ENDPOINT'

      assert.deepStrictEqual(yield* problems({ ...complete, STANDARD_DEPLOYMENT: "ptu" }), [same])
      assert.deepStrictEqual(
        yield* problems({
          ...complete,
          STANDARD_DEPLOYMENT: "ptu",
          STANDARD_ENDPOINT: complete.AZURE_OPENAI_ENDPOINT
        }),
        [same]
      )
    })
  )

  it.effect("a key that no header takes is refused and not said back", () =>
    Effect.gen(function* () {
      for (const key of ["two words", "two\nlines", "schlüssel"]) {
        assert.deepStrictEqual(yield* problems({ ...complete, AZURE_OPENAI_API_KEY: key }), [
          "AZURE_OPENAI_API_KEY: holds a space, a line break or a special character: expected a key of the resource"
        ])
      }
    })
  )

  it.effect("exports go to a collector, to Prometheus, or to both, under the service's name", () =>
    Effect.gen(function* () {
      const exports = (env: Record<string, string>) =>
        Effect.withConfigProvider(Environment.exports, Environment.provider(env))

      assert.deepStrictEqual(yield* exports({ OTEL_SERVICE_NAME: "mine" }), Option.none())
      assert.deepStrictEqual(
        yield* exports({
          OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318",
          OTEL_EXPORTER_PROMETHEUS_PORT: "9464",
          OTEL_SERVICE_NAME: "mine"
        }),
        Option.some({
          serviceName: "mine",
          otlp: new URL("http://localhost:4318/"),
          prometheus: { host: "127.0.0.1", port: 9464 }
        })
      )
      assert.deepStrictEqual(
        yield* exports({ OTEL_EXPORTER_PROMETHEUS_PORT: "1", OTEL_EXPORTER_PROMETHEUS_HOST: "0.0.0.0" }),
        Option.some({ serviceName: "spillway", otlp: undefined, prometheus: { host: "0.0.0.0", port: 1 } })
      )
    })
  )
})
