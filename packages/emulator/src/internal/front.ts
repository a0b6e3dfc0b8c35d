import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import { guid } from "./hash.js"
import * as InvalidRequest from "./invalidRequest.js"
import type { Journal } from "./journal.js"
import * as Route from "./route.js"

/** A request that has passed the front door: a route, a key, a JSON object, a deployment that exists. */
export interface Call {
  readonly deployment: string
  readonly operation: Route.Operation
  /** Undefined under v1. */
  readonly apiVersion: string | undefined
  readonly body: Readonly<Record<PropertyKey, unknown>>
  /** Tells this request from every other. */
  readonly id: string
  /** Host and port the caller addressed. */
  readonly host: string
  readonly headers: Readonly<Record<string, string>>
  /** Puts Azure's usual headers on a reply; the reply's own win. */
  readonly stamp: (reply: Wire.Reply) => Wire.Reply
  /** Says that the last of the reply was handed over; unsaid, a caller that stops reading has gone away. */
  readonly ended: Effect.Effect<void>
}

/** What stands behind the front door. */
export interface Backend {
  readonly has: (deployment: string) => boolean
  /** The scope is that of the exchange: it closes when the reply is complete, or when its reader has gone. */
  readonly respond: (call: Call) => Effect.Effect<Wire.Reply, Wire.Dropped, Scope.Scope>
}

export interface Options {
  readonly region: string
  /** Absent: any key or token that is not empty. */
  readonly apiKeys: ReadonlyArray<string> | undefined
  readonly seed: string
  readonly recordedRequests: number
}

const parseJson = Schema.decodeUnknownOption(Schema.parseJson())

const bearer = (authorization: string | undefined): string | undefined =>
  /^Bearer\s+(\S.*)$/i.exec(authorization ?? "")?.[1]

/** The reply that turns a caller away; undefined for one that may pass. */
const denial = (request: Wire.Request, route: Route.Route, apiKeys: Options["apiKeys"]): Wire.Reply | undefined => {
  const key = request.headers["api-key"]
  if (key !== undefined && key !== "") {
    return apiKeys === undefined || apiKeys.includes(key) ? undefined : ErrorReply.invalidKey
  }
  const token = bearer(request.headers["authorization"])
  if (token !== undefined && apiKeys === undefined) return undefined
  // The plain OpenAI client sends the key as a bearer, which only v1 takes for a key.
  if (token !== undefined && route.style === "v1" && apiKeys?.includes(token)) return undefined
  return ErrorReply.invalidToken
}

interface Received {
  readonly address: Route.Address
  readonly deployment: string | undefined
  readonly body: Option.Option<unknown>
}

const receive = (request: Wire.Request): Received => {
  const address = Route.address(request.url)
  const body = request.body === "" ? Option.none() : parseJson(request.body)
  const model = Option.match(body, {
    onNone: () => undefined,
    onSome: (value) =>
      Predicate.hasProperty(value, "model") && Predicate.isString(value.model) ? value.model : undefined
  })
  return { address, body, deployment: address.deployment ?? model }
}

const admit = (
  options: Options,
  backend: Backend,
  request: Wire.Request,
  { address, body, deployment }: Received
): Either.Either<Omit<Call, "id" | "stamp" | "ended">, Wire.Reply> => {
  const route = Route.match(request.method, address)
  if (route === undefined) return Either.left(ErrorReply.resourceNotFound)
  const denied = denial(request, route, options.apiKeys)
  if (denied !== undefined) return Either.left(denied)
  if (Option.isNone(body) || !Predicate.isReadonlyRecord(body.value)) return Either.left(InvalidRequest.invalidJson)
  if (deployment === undefined) return Either.left(InvalidRequest.missingModel)
  if (!backend.has(deployment)) return Either.left(ErrorReply.deploymentNotFound)
  return Either.right({
    deployment,
    operation: route.operation,
    host: request.host,
    headers: request.headers,
    apiVersion: route.style === "dated" ? address.apiVersion : undefined,
    body: body.value
  })
}

/** The whole service: one request in, one reply out. */
export const make = (
  options: Options,
  journal: Journal,
  backend: Backend
): ((request: Wire.Request) => Effect.Effect<Wire.Reply, Wire.Dropped, Scope.Scope>) => {
  let received = 0
  return (request) =>
    Effect.suspend(() => {
      const id = `${options.seed}/${received++}`
      const requestId = guid(`${id}/request`)
      const arrival = receive(request)
      const call = admit(options, backend, request, arrival)
      const stamp = (reply: Wire.Reply): Wire.Reply => ({
        ...reply,
        headers: {
          "apim-request-id": guid(`${id}/apim`),
          "x-request-id": requestId,
          "x-ms-client-request-id": request.headers["x-ms-client-request-id"] ?? "Not-Set",
          "x-ms-region": options.region,
          "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
          "x-content-type-options": "nosniff",
          ...(Either.isRight(call) ? { "x-ms-deployment-name": call.right.deployment } : {}),
          ...reply.headers
        }
      })
      return journal.record(
        {
          method: request.method,
          host: request.host,
          path: arrival.address.path,
          apiVersion: arrival.address.apiVersion,
          deployment: arrival.deployment,
          headers: { ...request.headers },
          body: request.body === "" ? undefined : Option.getOrElse(arrival.body, () => request.body)
        },
        (ended) =>
          Either.match(call, {
            onLeft: (reply) => Effect.succeed(stamp(reply)),
            onRight: (accepted) => backend.respond({ ...accepted, id, stamp, ended })
          })
      )
    })
}
