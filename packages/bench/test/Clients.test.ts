import { assert, describe, it, layer } from "@effect/vitest"
import { Array as Arr, Context, Effect, Layer } from "effect"
import type { Definition } from "../src/clients/Client.js"
import * as Clients from "../src/clients/Clients.js"
import * as Spillway from "../src/clients/Spillway.js"
import * as Conversation from "../src/Conversation.js"
import * as Load from "../src/requests/Load.js"
import * as Requests from "../src/requests/Requests.js"
import * as Server from "../src/server/Server.js"

/** As it is built: node runs it, in a process of its own. */
const main = new URL("../dist/server/main.js", import.meta.url)

const load = (ask: () => Promise<string>) =>
  Effect.promise(() => Load.run(ask, { concurrency: 4, requests: 12, expected: Conversation.answer }))

const short = { concurrency: 2, rounds: 2, warmUp: 1, turnMs: 5, connectMs: 1, reference: "undici" }

class Running extends Context.Tag("Running")<Running, Server.Server>() {}

layer(Layer.scoped(Running, Server.start(main)), { excludeTestServices: true })("every client", (it) => {
  for (const definition of Clients.all) {
    it.effect(`${definition.name}: every answer is the one the server gave, once for each request`, () =>
      Effect.gen(function* () {
        const server = yield* Running
        const exported = Spillway.exported.exported
        const spans = yield* Effect.scoped(
          Effect.gen(function* () {
            const { chat, stream } = yield* definition.make(server.origin)
            const before = yield* server.counts
            const chats = (yield* load(chat)).latencies.length
            const streams = stream === undefined ? 0 : (yield* load(stream)).latencies.length
            assert.isAtLeast(chats, 12)
            assert.deepStrictEqual(yield* server.counts, {
              answered: before.answered + chats + streams,
              streamed: before.streamed + streams,
              refused: 0
            })
            return 2 * (chats + streams)
          })
        )
        const traced = definition.id.endsWith("-otel")
        assert.strictEqual(Spillway.exported.exported - exported, traced ? spans : 0)
      })
    )
  }
})

describe("Clients", () => {
  it("names are told apart, and goals are those of rows", () => {
    for (const names of [Clients.all.map(({ id }) => id), Clients.all.map(({ name }) => name)]) {
      assert.deepStrictEqual(Arr.dedupe(names), names)
    }
    for (const { id } of [Clients.reference, ...Clients.goals]) {
      assert.include(
        Clients.all.map((client) => client.id),
        id
      )
    }
  })
})

const client = (id: string, ask: (origin: string) => () => Promise<string>): Definition => ({
  id,
  name: id,
  make: (origin) => Effect.succeed({ chat: ask(origin) })
})

const ask = async (url: string, body: object): Promise<string> => {
  const headers = { "content-type": "application/json", "api-key": "key" }
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })
  return response.ok ? Conversation.answer : response.text()
}

const measured = (definitions: ReadonlyArray<Definition>) =>
  Effect.gen(function* () {
    const server = yield* Running
    const askers = yield* Requests.askers(definitions, server, ({ chat }) => chat)
    return yield* Requests.run(askers, server, short)
  }).pipe(Effect.scoped)

layer(Layer.scoped(Running, Server.start(main)), { excludeTestServices: true })("Requests", (it) => {
  const good = client("undici", (origin) => () => ask(`${origin}/chat/completions`, Conversation.request))

  it.effect("rows come in the order of the clients, beside the reference", () =>
    Effect.gen(function* () {
      const other = { ...good, id: "other", name: "other" }
      const rows = yield* measured([other, good])

      assert.deepStrictEqual(
        rows.map(({ id }) => id),
        ["other", "undici"]
      )
      for (const row of rows) {
        assert.isAbove(row.requestsPerSecond, 0)
        assert.isAbove(row.cpuUs, 0)
        assert.isAtLeast(row.p99Ms, row.p50Ms)
      }
      assert.deepStrictEqual(rows[1]?.beside, { requestsPerSecond: 1, cpuUs: 1 })
    })
  )

  it.effect("without the reference nothing stands beside it", () =>
    Effect.gen(function* () {
      const rows = yield* measured([{ ...good, id: "other" }])
      assert.strictEqual(rows[0]?.beside, undefined)
    })
  )

  for (const [what, url, body] of [
    ["asks for something else", "/chat/completions", { prompt: "Hi" }],
    ["asks elsewhere", "/completions", Conversation.request]
  ] as const) {
    it.effect(`a client that ${what} is not measured by how fast it is refused`, () =>
      Effect.gen(function* () {
        const wrong = client("wrong", (origin) => () => ask(`${origin}${url}`, body))
        const error = yield* Effect.flip(measured([good, wrong]))
        assert.match(String(error), /wrong: Error: expected the answer, got .*refused by the benchmark's server/s)
      })
    )
  }

  it.effect("a client that swallows refusals is found by the server's count", () =>
    Effect.gen(function* () {
      const hiding = client("hiding", (origin) => async () => {
        await ask(`${origin}/chat/completions`, {})
        return Conversation.answer
      })
      const error = yield* Effect.flip(measured([hiding]))
      assert.match(String(error), /hiding: \d+ answers to \d+ requests, \d+ refused/)
    })
  )

  it.effect("a client that answers from memory is found by the server's count", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(measured([client("cheating", () => async () => Conversation.answer)]))
      assert.match(String(error), /cheating: \d+ answers to 0 requests/)
    })
  )
})

describe("Load", () => {
  it("so many at a time, no more", async () => {
    let running = 0
    let most = 0
    const answering = async () => {
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
      return "hi"
    }
    const { latencies } = await Load.run(answering, { concurrency: 7, requests: 50, expected: "hi" })
    assert.strictEqual(most, 7)
    assert.isAtLeast(latencies.length, 50)
  })

  it("each caller asks once at least", async () => {
    const { latencies } = await Load.run(async () => "hi", { concurrency: 100, expected: "hi" })
    assert.isAtLeast(latencies.length, 100)
  })

  it("one failure ends it", async () => {
    let asked = 0
    const failing = async () => {
      await new Promise(setImmediate)
      if (++asked > 20) throw new Error("reset")
      return "hi"
    }
    const error = await Load.run(failing, { concurrency: 3, requests: 1000, expected: "hi" }).then(
      () => undefined,
      (error: unknown) => error
    )
    assert.strictEqual(String(error), "Error: reset")
  })
})

describe("Conversation", () => {
  it("has the sizes it is said to have, and its stream says the same as its answer", () => {
    assert.approximately(JSON.stringify(Conversation.request).length, 300, 60)
    assert.approximately(Conversation.completionJson.length, 500, 60)
    assert.strictEqual(Conversation.pieces.join(""), Conversation.answer)
    assert.strictEqual(Conversation.events.length, Conversation.pieces.length + 4)
  })
})
