import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Deployment, Endpoint } from "@spillway/azure-openai"
import { Config, ConfigProvider, Effect, Either, Layer, Redacted } from "effect"

const noClient = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make(() => Effect.die("nothing is sent in these tests"))
)

const problems = (layer: Layer.Layer<Deployment.Deployment, unknown, HttpClient.HttpClient>) =>
  Layer.build(layer).pipe(Effect.provide(noClient), Effect.scoped, Effect.flip, Effect.map(String))

const good: Deployment.Options = {
  deployment: "gpt-4o-ptu",
  endpoint: "https://contoso.openai.azure.com",
  apiKey: Redacted.make("key")
}

describe("Endpoint.parse", () => {
  it.each([
    ["https://contoso.openai.azure.com", "https://contoso.openai.azure.com/"],
    [" https://contoso.openai.azure.com// ", "https://contoso.openai.azure.com/"],
    ["https://contoso.openai.azure.com/openai", "https://contoso.openai.azure.com/"],
    ["https://contoso.openai.azure.com/openai/v1/", "https://contoso.openai.azure.com/"],
    ["https://gateway.example/team/openai/v1", "https://gateway.example/team"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080/"]
  ])("%s is %s", (input, expected) => {
    assert.strictEqual(Either.getOrThrow(Endpoint.parse(input)).href, expected)
  })

  it.each([
    ["", "empty"],
    ["contoso", "not a URL"],
    ["ftp://contoso", "not an http or https URL"],
    ["https://user:pass@contoso", "user name or password"],
    ["https://contoso?api-version=1", "query or fragment"],
    ["https://contoso/openai/deployments/x/chat/completions", "the URL of an operation"],
    ["https://contoso/openai/v1/chat/completions", "the URL of an operation"]
  ])("%s is refused: %s, with what was expected and without repeating it", (input, what) => {
    const message = Either.getOrThrow(Either.flip(Endpoint.parse(input)))
    assert.include(message, what)
    assert.include(message, "expected the URL of an Azure OpenAI resource")
    assert.isTrue(input === "" || !message.includes(input))
  })
})

describe("Endpoint.route", () => {
  const endpoint = Either.getOrThrow(Endpoint.parse("https://gateway.example/team/"))
  const body = { model: "somebody else's", messages: [] }

  it("v1: below the endpoint's path, the deployment in the body in place of any other model", () => {
    const route = Endpoint.route({ endpoint, deployment: "a b", apiVersion: undefined }, "chat/completions", body)
    assert.strictEqual(route.url.href, "https://gateway.example/team/openai/v1/chat/completions")
    assert.deepStrictEqual(route.body, { messages: [], model: "a b" })
  })

  it("dated: the deployment in the path, escaped, and no model in the body", () => {
    const route = Endpoint.route({ endpoint, deployment: "../a b", apiVersion: "2024-10-21" }, "embeddings", body)
    assert.strictEqual(
      route.url.href,
      "https://gateway.example/team/openai/deployments/..%2Fa%20b/embeddings?api-version=2024-10-21"
    )
    assert.deepStrictEqual(route.body, { messages: [] })
  })
})

describe("a deployment that cannot be", () => {
  it.effect("every problem is named at once, and the key is not", () =>
    Effect.gen(function* () {
      const text = yield* problems(
        Deployment.provisioned({
          deployment: " ",
          endpoint: "contoso",
          apiKey: Redacted.make("  "),
          apiVersion: "latest"
        })
      )

      for (const part of ["deployment", "endpoint", "apiKey", "apiVersion", "2024-10-21"]) assert.include(text, part)
    })
  )

  it.effect("a missing or bad variable is named", () =>
    Effect.gen(function* () {
      const layer = Deployment.standardConfig({
        deployment: Config.string("STANDARD_DEPLOYMENT"),
        endpoint: Endpoint.config("AZURE_OPENAI_ENDPOINT"),
        apiKey: Config.redacted("AZURE_OPENAI_API_KEY")
      })
      const withEnv = (entries: Record<string, string>) =>
        problems(layer).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries)))))

      const missing = yield* withEnv({})
      for (const name of ["STANDARD_DEPLOYMENT", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"]) {
        assert.include(missing, name)
      }
      const bad = yield* withEnv({
        STANDARD_DEPLOYMENT: "a",
        AZURE_OPENAI_API_KEY: "b",
        AZURE_OPENAI_ENDPOINT: "nowhere"
      })
      assert.include(bad, "AZURE_OPENAI_ENDPOINT")
      assert.include(bad, "not a URL")
    })
  )

  it.effect("a good one is built, from values and from configuration", () =>
    Effect.gen(function* () {
      const primary = (layer: ReturnType<typeof Deployment.provisioned>) =>
        Effect.map(Deployment.Deployment, (runner) => runner.primary).pipe(
          Effect.provide(layer),
          Effect.provide(noClient)
        )
      const config = Deployment.provisionedConfig({
        deployment: Config.string("PTU"),
        endpoint: Config.succeed(good.endpoint),
        apiKey: Config.succeed(good.apiKey),
        model: Config.succeed("gpt-4o")
      })

      assert.deepStrictEqual(yield* primary(Deployment.provisioned(good)), {
        deployment: "gpt-4o-ptu",
        model: "gpt-4o-ptu",
        kind: "provisioned"
      })
      assert.deepStrictEqual(
        yield* primary(config).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["PTU", "p"]])))),
        { deployment: "p", model: "gpt-4o", kind: "provisioned" }
      )
    })
  )
})
