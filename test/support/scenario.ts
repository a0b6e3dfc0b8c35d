import type { HttpClient } from "@effect/platform"
import { CallSettings, Fallback, RetryAfter } from "@spillway/core"
import type { CallError } from "@spillway/azure-openai"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import type { Script } from "@spillway/emulator"
import { Emulator } from "@spillway/emulator"
import type { Duration } from "effect"
import { Effect, Either, Fiber, Layer, Redacted, TestClock } from "effect"

export const key = "a-key-that-was-really-sent"

/** Options of a deployment at the emulator, which answers for every host. */
export const at = (deployment: string, more?: Partial<Deployment.Options>): Deployment.Options => ({
  deployment,
  model: "gpt-4o",
  endpoint: "https://contoso.openai.azure.com",
  apiKey: Redacted.make(key),
  ...more
})

export const hello: Parameters<typeof AzureOpenAI.chat>[0] = { messages: [{ role: "user", content: "hello" }] }

export type Reply = Either.Either<AzureOpenAI.ChatAnswer, CallError.CallError>

/** What was sent, to whom, and when it arrived, in milliseconds. */
export type Sent = ReadonlyArray<readonly [deployment: string, at: number]>

export interface Scenario {
  readonly name: string
  readonly script: Parameters<typeof Script.make>[0]
  readonly maxWait?: Duration.DurationInput
  readonly ptu?: Partial<Deployment.Options>
  readonly settings?: (
    call: Effect.Effect<Reply, never, Deployment.Deployment>
  ) => Effect.Effect<Reply, never, Deployment.Deployment>
  /** The requests, exact in virtual time. */
  readonly sent: Sent
  /** The tag of the error, or who served. */
  readonly result: string
  /** Too fine for a real clock: a boundary of a single millisecond, or a long wait. */
  readonly virtualOnly?: boolean
}

/** Who served, or the tag of the error and its deployment. */
export const resultOf = (reply: Reply): string =>
  Either.match(reply, {
    onLeft: (error) => `${error._tag} ${error.deployment}`,
    onRight: (answer) => answer.served.deployment
  })

/** The policy as Layers. */
export const asLayers = (scenario: Pick<Scenario, "maxWait" | "ptu">, endpoint?: string) => {
  const where = endpoint === undefined ? {} : { endpoint }
  return Deployment.provisioned(at("ptu", { ...where, ...scenario.ptu })).pipe(
    Deployment.retry(RetryAfter.within(scenario.maxWait ?? "4 seconds")),
    Deployment.orElse(Deployment.standard(at("std", where)).pipe(Deployment.retry(RetryAfter.retries(2))))
  )
}

/** A call through the policy as Layers. */
export const throughLayers = (
  scenario: Scenario,
  endpoint?: string
): Effect.Effect<Reply, never, HttpClient.HttpClient> => {
  const call = Effect.either(AzureOpenAI.chat(hello))
  return (scenario.settings ?? ((self) => self))(call).pipe(Effect.provide(Layer.orDie(asLayers(scenario, endpoint))))
}

/** The same policy by `Effect.retry` and `Fallback.orElse` on plain effects, each over a lone deployment. */
export const throughEffects = (
  scenario: Scenario,
  endpoint?: string
): Effect.Effect<Reply, never, HttpClient.HttpClient> => {
  const where = endpoint === undefined ? {} : { endpoint }
  const ask = (deployment: Layer.Layer<Deployment.Deployment, unknown, HttpClient.HttpClient>) =>
    AzureOpenAI.chat(hello).pipe(Effect.provide(Layer.orDie(deployment)))
  const call = ask(Deployment.provisioned(at("ptu", { ...where, ...scenario.ptu }))).pipe(
    Effect.retry(RetryAfter.within(scenario.maxWait ?? "4 seconds")),
    Fallback.orElse(() => ask(Deployment.standard(at("std", where))).pipe(Effect.retry(RetryAfter.retries(2)))),
    Effect.either
  )
  // The settings wrap a call that needs a deployment; this one has brought its own.
  return Effect.flatMap(Effect.context<HttpClient.HttpClient>(), (context) =>
    (scenario.settings ?? ((self) => self))(Effect.provide(call, context)).pipe(
      Effect.provide(Layer.orDie(asLayers(scenario, endpoint)))
    )
  )
}

/** An emulator that plays a script, and a client that reaches it without a socket. */
export const inProcess = (script: Script.Script) =>
  Emulator.layerClient.pipe(Layer.provideMerge(Emulator.layerScripted(script)))

/** The requests an emulator received. */
export const sent: Effect.Effect<Sent, never, Emulator.Emulator> = Effect.gen(function* () {
  const emulator = yield* Emulator.Emulator
  const requests = yield* emulator.requests
  return requests.map((request) => [request.deployment ?? "?", request.at] as const)
})

/** Runs an effect to its end in virtual time. */
export const inVirtualTime = <A, E, R>(effect: Effect.Effect<A, E, R>, time: Duration.DurationInput = "10 minutes") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })

/** The deadline and the maximum wait of a call, as a scenario sets them. */
export const withMaxWait = (maxWait: Duration.DurationInput) => CallSettings.withMaxWait(maxWait)
export const withDeadline = (deadline: Duration.DurationInput) => CallSettings.withDeadline(deadline)
