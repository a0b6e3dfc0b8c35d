import * as Either from "effect/Either"
import * as ChatReply from "./chatReply.js"
import * as ChatRequest from "./chatRequest.js"
import * as ChatStream from "./chatStream.js"
import * as Completion from "./completion.js"
import type { Deployment } from "./deployment.js"
import type { Job, Said, Work } from "./job.js"

/** Writes an answer down as the request wants it: whole, or as a stream. */
export const job = (request: ChatRequest.ChatRequest, completion: Completion.Completion): Job => ({
  usage: (generated) => Completion.usage(completion, generated),
  reply: (context) =>
    request.stream === true
      ? ChatStream.make(completion, context, {
          includeUsage: request.stream_options?.include_usage === true,
          obfuscate: request.stream_options?.include_obfuscation !== false,
          promptCharacters: ChatRequest.promptCharacters(request)
        })
      : ChatReply.make(completion, context)
})

/** Reads a request to a deployment. What cannot be read is refused by the model, so the gateway has let it in. */
export const read = (body: unknown, deployment: Deployment, said?: Said): Work =>
  Either.match(ChatRequest.decode(body), {
    onLeft: (refusal): Work => ({
      demand: { promptTokens: 0, maxTokens: undefined, choices: 1 },
      judge: () => Either.left(refusal)
    }),
    onRight: (request): Work => ({
      demand: ChatRequest.demand(request),
      judge: () => {
        const refusal = said === undefined ? ChatRequest.refusal(deployment, request) : undefined
        return refusal === undefined
          ? Either.right(job(request, complete(request, deployment, said)))
          : Either.left(refusal)
      }
    })
  })

const complete = (
  request: ChatRequest.ChatRequest,
  deployment: Deployment,
  said: Said | undefined
): Completion.Completion =>
  Completion.override(
    Completion.make(ChatRequest.wish(request, deployment.model.maxOutputTokens), deployment.answerTokens),
    said
  )
