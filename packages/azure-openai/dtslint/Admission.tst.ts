import type { HttpClient } from "@effect/platform"
import { RetryAfter } from "@spillway/core"
import { Admission, Deployment } from "@spillway/azure-openai"
import type { ConfigError } from "effect"
import { Config, Layer, Redacted } from "effect"
import { describe, expect, test } from "tstyche"

const options = { deployment: "ptu", endpoint: "https://contoso.openai.azure.com", apiKey: Redacted.make("key") }

describe("Admission", () => {
  test("a deployment with admission is a deployment like any other", () => {
    const gated = Deployment.provisioned(options).pipe(
      Layer.provide(Admission.layer({ ptus: 100 })),
      Deployment.retry(RetryAfter.within("4 seconds"))
    )
    expect(gated).type.toBe<Layer.Layer<Deployment.Deployment, ConfigError.ConfigError, HttpClient.HttpClient>>()
  })

  test("its options may come from configuration", () => {
    expect(Admission.layerConfig({ ptus: Config.integer("PTUS") })).type.toBe<
      Layer.Layer<Admission.Admission, ConfigError.ConfigError>
    >()
    expect(Admission.layerConfig({ ptus: Config.integer("PTUS"), maxWait: "2 seconds" })).type.toBe<
      Layer.Layer<Admission.Admission, ConfigError.ConfigError>
    >()
    expect(Admission.layerConfig).type.not.toBeCallableWith({ ptus: Config.string("PTUS") })
    expect(Admission.layer).type.not.toBeCallableWith({})
  })
})
