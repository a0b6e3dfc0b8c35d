import type { HttpClient } from "@effect/platform"
import type { CallError } from "@spillway/azure-openai"
import { AzureOpenAI, Deployment, Endpoint, Entra } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import type { ConfigError, Layer } from "effect"
import { Config, Effect, Schedule } from "effect"
import { describe, expect, test } from "tstyche"

interface Service {
  readonly service: unique symbol
}

declare const identity: Entra.TokenCredential
declare const options: Deployment.Options
declare const ptu: Layer.Layer<Deployment.Deployment, "ptu", HttpClient.HttpClient>
declare const standard: Layer.Layer<Deployment.Deployment, "standard", Service>
declare const needy: Schedule.Schedule<number, CallError.RateLimited | CallError.Unavailable, Service>

describe("deployments", () => {
  test("fail with a ConfigError, need an HttpClient", () => {
    type Leaf = Layer.Layer<Deployment.Deployment, ConfigError.ConfigError, HttpClient.HttpClient>
    expect(Deployment.provisioned(options)).type.toBe<Leaf>()
    expect(Deployment.standard(options)).type.toBe<Leaf>()
  })
})

describe("deployments from configuration", () => {
  type Leaf = Layer.Layer<Deployment.Deployment, ConfigError.ConfigError, HttpClient.HttpClient>
  const endpoint = "https://contoso.openai.azure.com"

  test("take values and Config side by side", () => {
    expect(
      Deployment.provisionedConfig({
        deployment: Config.string("PTU"),
        model: "gpt-4o",
        endpoint: Endpoint.config("ENDPOINT"),
        credential: Entra.layer(identity),
        apiVersion: Config.withDefault(Config.string("VERSION"), undefined),
        timeout: "30 seconds",
        idleTimeout: Config.duration("IDLE"),
        httpSpans: true,
        headers: { "x-team": "search", "x-key": Config.redacted("KEY") },
        prices: { input: 2.5, output: Config.number("PRICE") }
      })
    ).type.toBe<Leaf>()
    expect(Deployment.standardConfig({ deployment: "std", endpoint, apiKey: Config.redacted("KEY") })).type.toBe<Leaf>()
    expect(Deployment.standardConfig({ ...options, headers: Config.succeed({ "x-team": "search" }) })).type.toBe<Leaf>()
  })

  test("refuse what an option cannot be", () => {
    const good = { deployment: "std", endpoint, apiKey: Config.redacted("KEY") }
    expect(Deployment.standardConfig).type.toBeCallableWith(good)
    expect(Deployment.standardConfig).type.not.toBeCallableWith({ ...good, deployment: Config.number("N") })
    expect(Deployment.standardConfig).type.not.toBeCallableWith({ ...good, apiKey: "key" })
    expect(Deployment.standardConfig).type.not.toBeCallableWith({ ...good, apiKey: Config.string("KEY") })
    expect(Deployment.standardConfig).type.not.toBeCallableWith({ ...good, httpSpans: Config.string("SPANS") })
    expect(Deployment.standardConfig).type.not.toBeCallableWith({ endpoint, apiKey: good.apiKey })
  })
})

describe("retry", () => {
  test("keeps E, and adds what the Schedule requires", () => {
    expect(ptu.pipe(Deployment.retry(RetryAfter.within("4 seconds")))).type.toBe<typeof ptu>()
    expect(Deployment.retry(ptu, RetryAfter.within("4 seconds"))).type.toBe<typeof ptu>()
    type Needy = Layer.Layer<Deployment.Deployment, "ptu", HttpClient.HttpClient | Service>
    expect(ptu.pipe(Deployment.retry(needy))).type.toBe<Needy>()
    expect(Deployment.retry(ptu, needy)).type.toBe<Needy>()
  })

  test("takes every Schedule, and shows it the exact errors", () => {
    expect(
      ptu.pipe(Deployment.retry(Schedule.exponential("10 millis").pipe(Schedule.intersect(Schedule.recurs(3)))))
    ).type.toBe<typeof ptu>()
    expect(
      ptu.pipe(
        Deployment.retry(
          Schedule.forever.pipe(
            Schedule.whileInput((error: CallError.RateLimited | CallError.Unavailable) => error._tag === "RateLimited")
          )
        )
      )
    ).type.toBe<typeof ptu>()
    const onReject = Schedule.forever.pipe(Schedule.whileInput((error: CallError.BadRequest) => error.status === 400))
    expect(Deployment.retry).type.not.toBeCallableWith(onReject)
  })
})

describe("orElse", () => {
  type Both = Layer.Layer<Deployment.Deployment, "ptu" | "standard", HttpClient.HttpClient | Service>

  test("unites E and R, both ways, with and without options", () => {
    expect(ptu.pipe(Deployment.orElse(standard))).type.toBe<Both>()
    expect(Deployment.orElse(ptu, standard)).type.toBe<Both>()
    expect(
      ptu.pipe(
        Deployment.orElse(standard, {
          when: (error) => {
            expect(error).type.toBe<CallError.CallError>()
            return true
          }
        })
      )
    ).type.toBe<Both>()
    expect(Deployment.orElse(ptu, standard, { when: () => true })).type.toBe<Both>()
  })
})

describe("chat", () => {
  const call = AzureOpenAI.chat({ messages: [{ role: "user", content: "hi" }] })

  test("needs a deployment and nothing else", () => {
    expect(call).type.toBe<Effect.Effect<AzureOpenAI.ChatAnswer, CallError.CallError, Deployment.Deployment>>()
  })

  test("its errors are caught by tag, one by one", () => {
    const rest = call.pipe(Effect.catchTags({ RateLimited: () => Effect.void, Unavailable: () => Effect.void }))
    expect<Effect.Effect.Error<typeof rest>["_tag"]>().type.toBe<
      | "Saturated"
      | "OutcomeUnknown"
      | "PromptTooLong"
      | "Malformed"
      | "ContentFiltered"
      | "Unauthorized"
      | "NotFound"
      | "BadRequest"
      | "DeadlineExceeded"
    >()
  })

  test("lets unknown fields through, but no stream", () => {
    expect(AzureOpenAI.chat).type.toBeCallableWith({ messages: [{ role: "user", content: "hi", new: 1 }], also_new: 2 })
    expect(AzureOpenAI.chat).type.not.toBeCallableWith({ messages: [{ role: "user", content: "hi" }], stream: true })
  })
})
