import type { Attempt } from "@spillway/core"
import { Runner } from "@spillway/core"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Admission from "../Admission.js"
import type { CallError } from "../CallError.js"
import type * as Credential from "../Credential.js"
import * as Failure from "../Failure.js"
import * as Target from "../Target.js"
import { attributes } from "../Telemetry.js"
import * as CallMetrics from "./callMetrics.js"
import type { Options } from "./deploymentOptions.js"
import { check, headersOf, secretHeadersOf } from "./deploymentOptions.js"

/** A deployment by itself, without policy. @internal */
export const make = (
  options: Options,
  kind: Attempt.Kind,
  credential: Redacted.Redacted | Credential.Service
): Effect.Effect<
  Runner.Runner<Target.Target, Failure.Failure, CallError>,
  ConfigError.ConfigError,
  HttpClient.HttpClient
> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const endpoint = yield* check(options)
    const timeout = Duration.decode(options.timeout ?? "10 minutes")
    const target = Target.make(
      {
        endpoint,
        deployment: options.deployment,
        model: options.model ?? options.deployment,
        kind,
        apiVersion: options.apiVersion,
        credential,
        headers: headersOf(options),
        limits: {
          bodyBytes: options.bodyLimit ?? 64 * 1024 * 1024,
          firstOutput: Duration.decode(options.firstOutputTimeout ?? Duration.infinity),
          idle: Duration.decode(options.idleTimeout ?? "5 minutes")
        },
        tracing: {
          propagate: options.propagate ?? false,
          httpSpans: options.httpSpans ?? false,
          secretHeaders: secretHeadersOf(options)
        }
      },
      client
    )
    // A call's series are there, at zero, before its first call.
    CallMetrics.of("chat", target.model)
    // Standard has quotas of another kind, and is where calls go that admission turns away.
    const admission =
      kind === "provisioned"
        ? Option.getOrUndefined(
            yield* Admission.forDeployment({ endpoint, deployment: target.deployment, model: target.model })
          )
        : undefined
    return Runner.make({
      deployment: target.deployment,
      model: target.model,
      kind,
      target,
      timeout,
      admission,
      prices: options.prices,
      attributes: {
        [attributes.serverAddress]: endpoint.hostname,
        ...(endpoint.port === "" ? {} : { [attributes.serverPort]: Number(endpoint.port) }),
        [attributes.method]: "POST"
      },
      cutOff: Failure.cutOff,
      toError: (failure, history) => Failure.toError(target.deployment, failure, history)
    })
  })
