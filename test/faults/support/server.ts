import { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { Effect } from "effect"
import type { World } from "./world.js"

/** What a deployment in memory replies with. Times are milliseconds after what came before. */
export interface Reply {
  readonly after: number
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: ReadonlyArray<{ readonly after: number; readonly bytes: Uint8Array }>
  /** How it goes on after the last piece: it ends, it is lost, or nothing comes any more. `gone`: there was no head. */
  readonly end: "close" | "lost" | "silent" | "gone"
}

export interface Received {
  readonly deployment: string
  readonly at: number
  readonly body: string
  readonly reply: Reply | undefined
  /** When its head was handed over. */
  headAt: number | undefined
}

const text = new TextDecoder()

/** Deployments in memory. Each request takes the next reply of its deployment's; the last one is for all that follow. */
export const serve = (world: World, script: Readonly<Record<string, ReadonlyArray<Reply>>>) => {
  const received: Array<Received> = []
  const counts = new Map<string, number>()
  const open = new Set<Received>()
  const client = HttpClient.make((request, _, signal) => {
    const body = request.body._tag === "Uint8Array" ? text.decode(request.body.body) : "{}"
    const deployment = String(JSON.parse(body).model)
    const count = counts.get(deployment) ?? 0
    counts.set(deployment, count + 1)
    const replies = script[deployment] ?? []
    const reply = replies[Math.min(count, replies.length - 1)]
    const one: Received = { deployment, at: world.now, body, reply, headAt: undefined }
    received.push(one)
    open.add(one)
    const close = (): void => void open.delete(one)
    signal.addEventListener("abort", close)
    const lost = () => new HttpClientError.RequestError({ request, reason: "Transport", cause: { code: "ECONNRESET" } })
    if (reply === undefined) return Effect.onExit(Effect.fail(lost()), () => Effect.sync(close))
    const head = Effect.suspend(() => {
      if (reply.end === "gone") return Effect.zipRight(Effect.sync(close), Effect.fail(lost()))
      one.headAt = world.now
      const pieces = [...reply.body]
      const stream = new ReadableStream<Uint8Array>(
        {
          start: (controller) => {
            signal.addEventListener("abort", () => controller.error(new Error("aborted")))
          },
          pull: (controller) =>
            new Promise((resolve) => {
              const piece = pieces.shift()
              const next = (): void => {
                resolve()
                if (!open.has(one)) return
                if (piece !== undefined) return controller.enqueue(piece.bytes)
                close()
                if (reply.end === "lost") controller.error(Object.assign(new Error("lost"), { code: "ECONNRESET" }))
                else controller.close()
              }
              if (piece === undefined ? reply.end === "silent" : false) return
              if (piece === undefined || piece.after === 0) next()
              else world.schedule(piece.after, signal, next)
            }),
          cancel: close
        },
        { highWaterMark: 0 }
      )
      return Effect.succeed(
        HttpClientResponse.fromWeb(
          request,
          new Response(stream, {
            status: reply.status,
            headers: [...reply.headers].map(([name, value]) => [name, value])
          })
        )
      )
    })
    return Effect.zipRight(Effect.sleep(reply.after), head).pipe(Effect.onInterrupt(() => Effect.sync(close)))
  })
  return { client, received, open }
}

const bytesOf = (piece: string): Uint8Array => new TextEncoder().encode(piece)

export const json = (status: number, body: unknown, headers: Record<string, string> = {}, after = 10): Reply => ({
  after,
  status,
  headers: [["content-type", "application/json"], ...Object.entries(headers)],
  body: [{ after: 5, bytes: bytesOf(JSON.stringify(body)) }],
  end: "close"
})

export const events = (pieces: ReadonlyArray<string>, end: Reply["end"] = "close", after = 10): Reply => ({
  after,
  status: 200,
  headers: [["content-type", "text/event-stream"]],
  body: pieces.map((piece) => ({ after: 5, bytes: bytesOf(piece) })),
  end
})

export const throttled = (hint: number): Reply =>
  json(429, { error: { code: "429" } }, { "retry-after-ms": String(hint) })
