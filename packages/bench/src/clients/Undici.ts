import * as Effect from "effect/Effect"
import { Agent, request } from "undici"
import * as ByHand from "./ByHand.js"
import type { Definition } from "./Client.js"

/** The floor: nothing below it but sockets. */
export const undici: Definition = {
  id: "undici",
  name: "undici.request",
  make: (origin) =>
    Effect.gen(function* () {
      const dispatcher = yield* Effect.acquireRelease(
        Effect.sync(() => new Agent()),
        (agent) => Effect.promise(() => agent.destroy())
      )
      const url = ByHand.url(origin)
      const send = async (stream: boolean) => {
        const { body, statusCode } = await request(url, { dispatcher, ...ByHand.post(stream) })
        if (statusCode !== 200) throw new ByHand.Refused(statusCode, undefined)
        return body
      }
      return {
        chat: async () => ByHand.textOf(await (await send(false)).json()),
        stream: async () => ByHand.textOfStream(await send(true))
      }
    })
}
