// Which operation reads a request.
import type * as Wire from "../Wire.js"
import * as ErrorReply from "../ErrorReply.js"
import * as Chat from "./chat.js"
import type { Deployment } from "./deployment.js"
import * as Embeddings from "./embeddings.js"
import type { Call } from "./front.js"
import type { Said, Work } from "./job.js"
import * as Responses from "./responses.js"
import type { Store } from "./responseStore.js"

/** The reply to a request for what the deployment's model does not do; undefined for what it does. */
export const unsupported = ({ operation }: Call, { model }: Deployment): Wire.Reply | undefined =>
  (operation.name === "embeddings") === (model.operation === "embeddings")
    ? undefined
    : ErrorReply.operationNotSupported(operation.label, model.name)

/** Reads a request as its operation understands it. */
export const read = (call: Call, deployment: Deployment, store: Store, said?: Said): Work => {
  switch (call.operation.name) {
    case "chat":
      return Chat.read(call.body, deployment, said)
    case "embeddings":
      return Embeddings.read(call.body, deployment)
    default:
      return Responses.read(call, deployment, store, said)
  }
}
