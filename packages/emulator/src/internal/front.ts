import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import * as Access from "./access.js"
import { guid } from "./hash.js"
import * as InvalidRequest from "./invalidRequest.js"
import type { Journal } from "./journal.js"
import * as Route from "./route.js"
import * as Timed from "./timed.js"

/** A request that has passed the front door: there is such a route, and the caller may use it. */
interface Admitted {
  readonly operation: Route.Operation
  /** Undefined under v1. */
  readonly apiVersion: string | undefined
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

/** A request of something from a model: a JSON object for a deployment that exists. */
export interface Call extends Admitted {
  readonly deployment: string
  readonly body: Readonly<Record<PropertyKey, unknown>>
}

/** A request about a stored response, which may or may not exist. */
export interface Retrieval extends Admitted {
  readonly responseId: string
  readonly query: URLSearchParams
}

/** What stands behind the front door. Scopes are those of the exchange: they close when the reply is complete, or when its reader has gone. */
export interface Backend {
  readonly has: (deployment: string) => boolean
  readonly respond: (call: Call) => Effect.Effect<Wire.Reply, Wire.Dropped, Scope.Scope>
  /** The deployment that made a stored response. */
  readonly maker: (host: string, responseId: string) => string | undefined
  readonly retrieve: (retrieval: Retrieval) => Effect.Effect<Wire.Reply, Wire.Dropped, Scope.Scope>
}

export interface Options extends Access.Rules {
  readonly region: string
  readonly seed: string
  readonly maxBodyBytes: number
  readonly recordedRequests: number
}

const parseJson = Schema.decodeUnknownOption(Schema.parseJson())

// Deeper than this, nothing that looks into a body could be sure to come back.
const deepest = 1000

const isTooDeep = (json: string): boolean => {
  let depth = 0
  let inText = false
  for (let index = 0; index < json.length; index++) {
    const character = json[index]
    if (inText && character === "\\") index++
    else if (character === '"') inText = !inText
    else if (inText) continue
    else if (character === "{" || character === "[") depth++
    else if (character === "}" || character === "]") depth--
    if (depth > deepest) return true
  }
  return false
}

interface Received {
  readonly address: Route.Address
  readonly route: Route.Route | undefined
  readonly deployment: string | undefined
  readonly body: Option.Option<unknown>
}

const receive = (request: Wire.Request, backend: Backend): Received => {
  const address = Route.address(request.url)
  const route = Route.match(request.method, address)
  const body = request.body === "" || isTooDeep(request.body) ? Option.none() : parseJson(request.body)
  const model = Option.match(body, {
    onNone: () => undefined,
    onSome: (value) =>
      Predicate.hasProperty(value, "model") && Predicate.isString(value.model) ? value.model : undefined
  })
  const maker = route?.responseId === undefined ? undefined : backend.maker(request.host, route.responseId)
  return { address, route, body, deployment: address.deployment ?? maker ?? model }
}

/** What the front door itself adds to a request. */
interface Common {
  readonly id: string
  /** In milliseconds since 1970. */
  readonly now: number
  readonly ended: Effect.Effect<void>
  /** Puts Azure's usual headers on a reply, with the name of the deployment where there is one. */
  readonly stamp: (deployment: string | undefined) => (reply: Wire.Reply) => Wire.Reply
}

// No character is more than three bytes for each of its units, so most bodies need not be encoded to be measured.
const isTooLarge = (body: string, limit: number): boolean =>
  body.length * 3 > limit && Timed.encode(body).length > limit

/** What answers a request: the backend, or the reply that turns it away. */
const admit = (
  options: Options,
  backend: Backend,
  request: Wire.Request,
  { address, body, deployment, route }: Received,
  { ended, id, now, stamp }: Common
): ReturnType<Backend["respond"]> => {
  const refuse = (reply: Wire.Reply) => Effect.succeed(stamp(undefined)(reply))
  if (route === undefined) return refuse(ErrorReply.resourceNotFound)
  const denied = Access.denial(request.headers, route.style, options, now)
  if (denied !== undefined) return refuse(denied)
  if (isTooLarge(request.body, options.maxBodyBytes)) return refuse(InvalidRequest.tooLarge(options.maxBodyBytes))
  const { operation, responseId } = route
  const admitted = {
    id,
    ended,
    stamp: stamp(deployment),
    operation,
    apiVersion: route.style === "dated" ? address.apiVersion : undefined,
    host: request.host,
    headers: request.headers
  }
  if (responseId !== undefined) {
    return backend.retrieve({ ...admitted, responseId, query: address.query })
  }
  const type = request.headers["content-type"]
  if (type !== undefined && !/^application\/json *(;|$)/i.test(type)) {
    return refuse(InvalidRequest.unsupportedContentType(type))
  }
  if (Option.isNone(body) || !Predicate.isReadonlyRecord(body.value)) return refuse(InvalidRequest.invalidJson)
  if (deployment === undefined) return refuse(InvalidRequest.missingModel)
  if (!backend.has(deployment)) return refuse(ErrorReply.deploymentNotFound)
  return backend.respond({ ...admitted, deployment, body: body.value })
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
      const arrival = receive(request, backend)
      const { address, body, deployment } = arrival
      const stamp: Common["stamp"] = (name) => (reply) => ({
        ...reply,
        headers: {
          "apim-request-id": guid(`${id}/apim`),
          "x-request-id": guid(`${id}/request`),
          "x-ms-client-request-id": request.headers["x-ms-client-request-id"] ?? "Not-Set",
          "x-ms-region": options.region,
          "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
          "x-content-type-options": "nosniff",
          ...(name === undefined ? {} : { "x-ms-deployment-name": name }),
          ...reply.headers
        }
      })
      return journal.record(
        {
          method: request.method,
          host: request.host,
          path: address.path,
          apiVersion: address.apiVersion,
          deployment,
          headers: { ...request.headers },
          body: request.body === "" ? undefined : Option.getOrElse(body, () => request.body)
        },
        (ended) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            admit(options, backend, request, arrival, { id, now, ended, stamp })
          )
      )
    })
}
