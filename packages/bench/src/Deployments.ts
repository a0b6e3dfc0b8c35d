/** Spillway as an application has it, with everything on: admission, retry, fallback, spans. */
import { Admission, Deployment } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Conversation from "./Conversation.js"

const options = (deployment: string, endpoint: string): Deployment.Options => ({
  deployment,
  model: Conversation.model,
  endpoint,
  apiKey: Redacted.make("c0ffee00c0ffee00c0ffee00c0ffee00")
})

export type Deployed = Layer.Layer<Deployment.Deployment, ConfigError.ConfigError, HttpClient.HttpClient>

/** One provisioned deployment and nothing around it. */
export const alone = (endpoint: string): Deployed => Deployment.provisioned(options("gpt-4o-ptu", endpoint))

/** So many PTUs that no call ever waits for its turn: what is measured is the gate, not the waiting. */
export const everything = (endpoint: string): Deployed =>
  alone(endpoint).pipe(
    Layer.provide(Admission.layer({ ptus: 1_000_000 })),
    Deployment.retry(RetryAfter.within("4 seconds")),
    Deployment.orElse(Deployment.standard(options("gpt-4o", endpoint)).pipe(Deployment.retry(RetryAfter.retries(2))))
  )
