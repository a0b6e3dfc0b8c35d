/**
 * Azure OpenAI's data plane for tests and demos: what a client sends is taken as the service takes it, and answered, throttled or refused
 * as the service does. One implementation, reached in two ways: in process, where no socket is opened and a test's clock
 * rules, or behind any HTTP server.
 *
 * @since 0.1.0
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as EmulatorConfig from "./EmulatorConfig.js"
import * as Capacity from "./internal/capacity.js"
import * as CapacityBackend from "./internal/capacityBackend.js"
import * as Client from "./internal/client.js"
import * as Connection from "./internal/connection.js"
import * as Front from "./internal/front.js"
import * as Journal from "./internal/journal.js"
import * as ScriptBackend from "./internal/scriptBackend.js"
import type { RecordedRequest } from "./RecordedRequest.js"
import type { Script } from "./Script.js"
import type * as Wire from "./Wire.js"

/**
 * What a running emulator offers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The emulator as an HTTP app. Behind a server, prefer {@link serve}: it also gives up a request whose caller has gone. */
  readonly app: HttpApp.Default<never, Scope.Scope>
  /**
   * The emulator free of HTTP: one request in, one reply out. A reply whose body is a stream goes on until the body has been read; when the reader
   * stops before, or the scope closes, its generation ends there.
   */
  readonly exchange: (request: Wire.Request) => Effect.Effect<Wire.Reply, Wire.Dropped, Scope.Scope>
  /** The requests received so far, in order of arrival; of a great many, the newest (`recordedRequests` of the configuration). */
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** How many requests are being answered at this moment. */
  readonly inFlight: Effect.Effect<number>
  /** How full a provisioned deployment is: 1 is 100 %. None for any other deployment, and under a script. */
  readonly utilization: (deployment: string) => Effect.Effect<Option.Option<number>>
}

/**
 * What of a configuration concerns an emulator that plays a script: it has neither deployments nor capacity of its own.
 *
 * @since 0.1.0
 * @category models
 */
export type ScriptedConfig = Pick<
  EmulatorConfig.EmulatorConfig,
  "apiKeys" | "entra" | "region" | "seed" | "maxBodyBytes" | "recordedRequests"
>

/**
 * A running emulator. Its state (buckets, windows, script, record) lives as long as the layer it came from; nothing is global.
 *
 * @example
 * ```ts
 * import { Emulator } from "@spillway/emulator"
 * import { Effect } from "effect"
 *
 * const statuses = Effect.gen(function* () {
 *   const emulator = yield* Emulator.Emulator
 *   const requests = yield* emulator.requests
 *   return requests.map((request) => [request.deployment, request.status])
 * }).pipe(Effect.provide(Emulator.layer()))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class Emulator extends Context.Tag("@spillway/emulator/Emulator")<Emulator, Service>() {}

/**
 * An emulator whose deployments have the capacity they are configured with. Time is the clock of the layer's and the callers' fibers, so
 * under a test clock nothing happens until the test moves it. A configuration that is wrong is a defect, {@link EmulatorConfig.InvalidConfig}; decode one
 * that comes from outside first.
 *
 * @example
 * ```ts
 * import { Emulator } from "@spillway/emulator"
 *
 * const Small = Emulator.layer({
 *   deployments: [
 *     { name: "gpt-4o-ptu", kind: "provisioned", model: "gpt-4o", ptus: 15, windowSeconds: 1 },
 *     { name: "gpt-4o", kind: "standard", model: "gpt-4o", latency: { firstTokenMs: 100 } }
 *   ]
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (config: EmulatorConfig.EmulatorConfig = EmulatorConfig.defaults): Layer.Layer<Emulator> =>
  Layer.scoped(
    Emulator,
    Effect.gen(function* () {
      const valid = yield* Effect.orDie(EmulatorConfig.decode(config))
      const options = frontOptions(valid)
      const time = yield* Capacity.timeline
      const backend = yield* CapacityBackend.make(valid, options, time)
      return yield* make(options, time, backend, backend.utilization)
    })
  )

/**
 * An emulator that plays a script.
 *
 * @example
 * ```ts
 * import { Emulator, Script } from "@spillway/emulator"
 *
 * const Refusing = Emulator.layerScripted(
 *   Script.make({ "gpt-4o-ptu": [Script.throttled({ retryAfterMs: 1000 }), Script.answer({ text: "hi" })] })
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerScripted = (script: Script, options: ScriptedConfig = {}): Layer.Layer<Emulator> =>
  Layer.effect(
    Emulator,
    Effect.gen(function* () {
      const time = yield* Capacity.timeline
      const backend = yield* ScriptBackend.make(script, time)
      return yield* make(frontOptions(options), time, backend, () => Effect.succeedNone)
    })
  )

const frontOptions = (config: ScriptedConfig): Front.Options => ({
  apiKeys: config.apiKeys,
  entra: config.entra,
  region: config.region ?? "East US",
  seed: String(config.seed ?? "spillway"),
  maxBodyBytes: config.maxBodyBytes ?? 16 * 1024 * 1024,
  recordedRequests: config.recordedRequests ?? 10_000
})

const make = (
  options: Front.Options,
  time: Capacity.Timeline,
  backend: Front.Backend,
  utilization: Service["utilization"]
): Effect.Effect<Service> =>
  Effect.map(Journal.make(time, options.recordedRequests), (journal) => {
    const exchange = Front.make(options, journal, backend)
    return {
      app: makeApp(exchange),
      exchange,
      requests: journal.requests,
      inFlight: journal.inFlight,
      utilization
    }
  })

const makeApp = (exchange: Service["exchange"]): Service["app"] =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    // The limit is the emulator's own, so that what is over it gets a reply.
    Effect.flatMap(HttpIncomingMessage.withMaxBodySize(request.text, Option.none()), (body) =>
      exchange({
        method: request.method,
        url: request.url,
        host: request.headers["host"] ?? "",
        headers: request.headers,
        body
      })
    ).pipe(
      Effect.map(({ body, headers, status }) => {
        const options = { status, headers, contentType: headers["content-type"] ?? "application/json" }
        return typeof body === "string"
          ? HttpServerResponse.text(body, options)
          : // An empty write, so that the headers leave before the first piece is there.
            HttpServerResponse.stream(
              Stream.concat(Stream.make(new Uint8Array(0)), Connection.withBreaks(body, request)),
              options
            )
      }),
      // A defect is the emulator's own: the server answers with a bare 500.
      Effect.tapDefect((cause) => Effect.logError("the emulator failed to answer", cause)),
      // Also where the request could not be read to its end: there is nobody left to answer.
      Effect.catchAll(() => Effect.zipRight(Connection.drop(request), Effect.never))
    )
  )

/**
 * A client that reaches the emulator without a socket. The emulator runs in the fiber that makes the request: a test clock rules it, an interrupt
 * ends it at once. Any host will do; the emulator stands for all of them and records which was addressed.
 *
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Emulator } from "@spillway/emulator"
 * import { Effect, Layer } from "effect"
 *
 * const status = HttpClient.get("https://contoso.openai.azure.com/nowhere").pipe(
 *   Effect.map((response) => response.status), // => 404
 *   Effect.provide(Emulator.layerClient.pipe(Layer.provide(Emulator.layer())))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClient: Layer.Layer<HttpClient.HttpClient, never, Emulator> = Layer.effect(
  HttpClient.HttpClient,
  Effect.zipWith(Emulator, Effect.runtime<never>(), ({ exchange }, runtime) => Client.make(exchange, runtime))
)

/**
 * Serves the emulator behind whatever HTTP server is provided, until the layer's scope closes: what is still being answered then is given up, as is
 * a request whose caller hangs up.
 * The server makes no spans: they would hold keys, and stand in the trace of a client in the same process.
 *
 * @example
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Emulator } from "@spillway/emulator"
 * import { Layer } from "effect"
 * import { createServer } from "node:http"
 *
 * const Server = Emulator.serve.pipe(
 *   Layer.provideMerge(Emulator.layer()),
 *   Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const serve: Layer.Layer<never, never, Emulator | HttpServer.HttpServer> = Layer.unwrapScoped(
  Effect.gen(function* () {
    const { app } = yield* Emulator
    const open = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
    // A server closes when its connections have, and some streams never end.
    yield* Effect.addFinalizer(() => Fiber.interruptAll(open))
    const tracked = Effect.withFiberRuntime<void, never, Scope.Scope>((fiber) =>
      Effect.acquireRelease(
        Effect.sync(() => void open.add(fiber)),
        () => Effect.sync(() => void open.delete(fiber))
      )
    )
    return HttpServer.serve(Effect.interruptible(Effect.zipRight(tracked, app)))
  })
).pipe(HttpMiddleware.withTracerDisabledWhen(() => true))
