// What a call gets for which there is no capacity.
import * as ErrorReply from "../ErrorReply.js"
import * as InStreamThrottle from "../InStreamThrottle.js"
import * as ServerSentEvent from "../ServerSentEvent.js"
import type * as Wire from "../Wire.js"
import type { Throttled } from "./capacity.js"
import type { Deployment } from "./deployment.js"
import type { Call } from "./front.js"

/** The 429. */
export const refusal = (call: Call, deployment: Deployment, region: string, throttled: Throttled): Wire.Reply => {
  const reply =
    throttled.limit === "throughput"
      ? ErrorReply.throughputExceeded(throttled)
      : ErrorReply.rateLimitReached({
          limit: throttled.limit,
          deployment: deployment.name,
          model: deployment.model.name,
          region,
          apiVersion: call.apiVersion,
          operation: call.operation.id,
          retryAfterMs: throttled.retryAfterMs
        })
  return { ...reply, headers: { ...throttled.headers, ...reply.headers } }
}

/** What is shown of it: a response that is to be streamed gets a stream that says so, under status 200. */
export const shown = (call: Call, deployment: Deployment, throttled: Throttled, refusal: Wire.Reply): Wire.Reply => {
  const order = deployment.responsesThrottle
  if (call.operation.name !== "responses" || call.body["stream"] !== true || order === "status") return refusal
  const failure = throttled.limit === "throughput" ? InStreamThrottle.throughput : InStreamThrottle.quota
  const { events, headers } = InStreamThrottle.make(order, failure, throttled)
  return {
    status: 200,
    headers: { "content-type": "text/event-stream; charset=utf-8", ...throttled.headers, ...headers },
    body: events.map(ServerSentEvent.encode).join("")
  }
}
