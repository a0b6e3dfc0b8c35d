import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Credential, Deployment, Endpoint, Target } from "@spillway/azure-openai"
import { Config, ConfigProvider, Effect, Either, Layer, Redacted } from "effect"
import type { Prepared } from "./support/wire.js"
import { wire } from "./support/wire.js"

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
  const body = Either.getOrThrow(Target.bodyOf({ model: "somebody else's", messages: [] }))
  const parsed = (route: { readonly body: string | undefined }): unknown => JSON.parse(route.body ?? "")

  it("v1: below the endpoint's path, the deployment in the body in place of any other model", () => {
    const route = Endpoint.route({ endpoint, deployment: "a b", apiVersion: undefined }, "chat/completions", body)
    assert.strictEqual(route.url, "https://gateway.example/team/openai/v1/chat/completions")
    assert.deepStrictEqual(parsed(route), { messages: [], model: "a b" })
    const bare = Endpoint.route({ endpoint, deployment: 'a "b"', apiVersion: undefined }, "responses", "{}")
    assert.deepStrictEqual(parsed(bare), { model: 'a "b"' })
  })

  it("dated: the deployment in the path, escaped, and no model in the body", () => {
    const route = Endpoint.route({ endpoint, deployment: "../a b", apiVersion: "2024-10-21" }, "embeddings", body)
    assert.strictEqual(
      route.url,
      "https://gateway.example/team/openai/deployments/..%2Fa%20b/embeddings?api-version=2024-10-21"
    )
    assert.deepStrictEqual(parsed(route), { messages: [] })
    const responses = Endpoint.route({ endpoint, deployment: "d", apiVersion: "2024-10-21" }, "responses", body)
    assert.deepStrictEqual(parsed(responses), { messages: [], model: "d" })
  })
})

const fromEntries = (entries: Record<string, string>) => ConfigProvider.fromMap(new Map(Object.entries(entries)))

describe("the headers of a deployment", () => {
  const chat = AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }] })
  const answer: Prepared = { pieces: [JSON.stringify({ id: "1", choices: [] })] }
  const seen = { "x-team": "search", "ocp-apim-subscription-key": "k" }

  it.effect("go with every request, beside its own; secrets may be Redacted, and read from configuration", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([{ status: 429, pieces: ["{}"] }, answer])
      const headers = { "X-Team": "search", "Ocp-Apim-Subscription-Key": Redacted.make("k") }
      const chain = Deployment.provisioned({ ...good, headers, spilloverDeployment: "gpt-4o" }).pipe(
        Deployment.orElse(
          Deployment.standardConfig({
            deployment: "gpt-4o",
            endpoint: good.endpoint,
            credential: Credential.effect(Effect.succeed(Redacted.make("token"))),
            headers: { "x-team": Config.succeed("search"), "ocp-apim-subscription-key": Config.redacted("APIM") }
          })
        ),
        Layer.provide(layer)
      )
      yield* chat.pipe(Effect.provide(chain), Effect.withConfigProvider(fromEntries({ APIM: "k" })))

      const [first, second] = sent.map(({ headers }) => headers)
      assert.deepInclude(first, { ...seen, "api-key": "key", "x-ms-spillover-deployment": "gpt-4o" })
      assert.deepInclude(second, { ...seen, authorization: "Bearer token" })
      assert.notProperty(second, "x-ms-spillover-deployment")
    })
  )
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

  it.effect("what would be sent as a header is checked: no call is to fail for it, and no secret is repeated", () =>
    Effect.gen(function* () {
      for (const spilloverDeployment of ["gpt-4o\n", "größe-€", "", " "]) {
        const text = yield* problems(Deployment.provisioned({ ...good, spilloverDeployment }))
        assert.include(text, "spilloverDeployment")
        assert.include(text, "expected the name of a Standard deployment")
      }
      const text = yield* problems(
        Deployment.provisioned({
          ...good,
          headers: {
            "bad name": "x",
            "x-broken": "one\ntwo",
            "x-secret": Redacted.make("SECRET\n"),
            "Api-Key": "SECRET",
            authorization: "SECRET",
            "Content-Type": "text/plain",
            "x-ms-spillover-deployment": "gpt-4o"
          }
        })
      )

      for (const part of ["bad name", "x-broken", "x-secret"]) assert.include(text, part)
      assert.include(text, "expected apiKey or credential in its place")
      assert.include(text, "expected spilloverDeployment in its place")
      assert.notInclude(text, "SECRET")
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
        problems(layer).pipe(Effect.withConfigProvider(fromEntries(entries)))

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
        endpoint: good.endpoint,
        apiKey: Config.succeed(good.apiKey),
        model: "gpt-4o",
        apiVersion: Config.withDefault(Config.string("API_VERSION"), undefined),
        httpSpans: false,
        timeout: "30 seconds",
        prices: { input: 2.5, output: Config.number("PRICE") },
        headers: { "X-Team": "search", "x-gateway-key": Config.redacted("GATEWAY_KEY") }
      })

      assert.deepStrictEqual(yield* primary(Deployment.provisioned(good)), {
        deployment: "gpt-4o-ptu",
        model: "gpt-4o-ptu",
        kind: "provisioned"
      })
      assert.deepStrictEqual(
        yield* primary(config).pipe(
          Effect.withConfigProvider(fromEntries({ PTU: "p", PRICE: "10", GATEWAY_KEY: "k" }))
        ),
        { deployment: "p", model: "gpt-4o", kind: "provisioned" }
      )
    })
  )
})
