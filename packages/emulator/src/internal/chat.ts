import * as Either from "effect/Either"
import * as ChatReply from "./chatReply.js"
import * as ChatRequest from "./chatRequest.js"
import * as ChatStream from "./chatStream.js"
import * as Completion from "./completion.js"
import type { Deployment } from "./deployment.js"
import type { Job, Said, Work } from "./job.js"
import { refused } from "./job.js"

/** Writes an answer down as the request wants it: whole, or as a stream. */
const job = (request: ChatRequest.ChatRequest, completion: Completion.Completion): Job => {
  const logprobs = request.logprobs === true ? (request.top_logprobs ?? 0) : undefined
  return {
    usage: (generated) => Completion.usage(completion, generated),
    reply: (context) =>
      request.stream === true
        ? ChatStream.make(completion, context, {
            includeUsage: request.stream_options?.include_usage === true,
            obfuscate: request.stream_options?.include_obfuscation !== false,
            promptCharacters: ChatRequest.promptCharacters(request),
            logprobs
          })
        : ChatReply.make(completion, context, logprobs)
  }
}

/** Reads a request to a deployment. What cannot be read is refused by the model, so the gateway has let it in. */
export const read = (body: unknown, deployment: Deployment, said?: Said): Work =>
  Either.match(ChatRequest.decode(body), {
    onLeft: (refusal) => refused(refusal),
    onRight: (request): Work => ({
      demand: ChatRequest.demand(request),
      judge: () => {
        const refusal = said?.always === true ? undefined : ChatRequest.refusal(deployment, request)
        if (refusal !== undefined) return Either.left(refusal)
        return Either.map(ChatRequest.wish(request, deployment), (wish) =>
          job(request, Completion.override(Completion.make(wish, deployment.answerTokens), said))
        )
      }
    })
  })
