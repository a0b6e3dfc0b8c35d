import { assert, describe, it } from "@effect/vitest"
import type { Dispatcher } from "undici"
import { Exchange } from "../src/internal/undiciExchange.js"

/** undici's side of an exchange, which notes what it is asked to do. */
const controller = () => {
  const asked: Array<string> = []
  const self: Dispatcher.DispatchController = {
    aborted: false,
    paused: false,
    reason: null,
    abort: (reason) => asked.push(`abort ${reason?.name}`),
    pause: () => asked.push("pause"),
    resume: () => asked.push("resume")
  }
  return { asked, self }
}

const begun = () => {
  const { asked, self } = controller()
  const exchange = new Exchange()
  exchange.onRequestStart(self)
  exchange.onResponseStart(self, 200, {})
  return { asked, exchange, self }
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

describe("an exchange", () => {
  it("wakes at once for what came between looking and waiting", () => {
    const { exchange, self } = begun()
    let woken = 0
    const wake = () => {
      woken += 1
    }

    assert.strictEqual(exchange.take().length, 0)
    exchange.onResponseData(self, Buffer.from("a"))
    exchange.onMore(wake)
    assert.deepStrictEqual([woken, text(exchange.take())], [1, "a"])

    exchange.onResponseEnd()
    exchange.onMore(wake)
    exchange.onWhole(wake)
    assert.strictEqual(woken, 3)
  })

  it("wakes once for many pieces, which are taken as one", () => {
    const { exchange, self } = begun()
    let woken = 0
    exchange.onMore(() => {
      woken += 1
    })
    for (const piece of ["a", "b", "c"]) exchange.onResponseData(self, Buffer.from(piece))

    assert.deepStrictEqual([woken, text(exchange.take())], [1, "abc"])
  })

  it("pauses beyond 64 KiB that nobody took, and resumes when somebody waits", () => {
    const { asked, exchange, self } = begun()
    exchange.onResponseData(self, Buffer.alloc(64 * 1024))
    assert.deepStrictEqual(asked, [])
    exchange.onResponseData(self, Buffer.alloc(1))
    assert.deepStrictEqual(asked, ["pause"])

    assert.strictEqual(exchange.take().length, 64 * 1024 + 1)
    exchange.onMore(() => {})
    exchange.onResponseData(self, Buffer.alloc(64 * 1024))
    assert.deepStrictEqual(asked, ["pause", "resume"])
  })

  it("does not pause for one who wants all of it, and wakes all who do at its end", () => {
    const { asked, exchange, self } = begun()
    const woken: Array<string> = []
    assert.isTrue(exchange.openWhole())
    exchange.onWhole(() => woken.push("first"))
    exchange.onWhole(() => woken.push("second"))
    exchange.onResponseData(self, Buffer.alloc(1_000_000, "x"))
    assert.deepStrictEqual([asked, woken], [["resume", "resume"], []])

    exchange.onResponseEnd()
    assert.deepStrictEqual(woken, ["first", "second"])
    assert.strictEqual(exchange.bytes().length, 1_000_000)
  })

  it("is read as a stream or as a whole, not as both", () => {
    const streamed = begun().exchange
    assert.deepStrictEqual([streamed.openStream(), streamed.openStream(), streamed.openWhole()], [true, false, false])

    const whole = begun().exchange
    assert.deepStrictEqual([whole.openWhole(), whole.openWhole(), whole.openStream()], [true, true, false])
    whole.onResponseEnd()
    assert.isTrue(whole.openStream())
  })

  it("given up before its connection is there, is ended at once and aborted then", () => {
    const { asked, self } = controller()
    const exchange = new Exchange()
    let woken = 0
    exchange.onHead(() => {
      woken += 1
    })
    exchange.abort()
    assert.deepStrictEqual([woken, exchange.ended, exchange.error?.name], [1, true, "AbortError"])

    exchange.onRequestStart(self)
    assert.deepStrictEqual(asked, ["abort AbortError"])
  })

  it("tells of its end once, whoever ends it, and keeps the first reason", () => {
    const { asked, exchange } = begun()
    let woken = 0
    exchange.onWhole(() => {
      woken += 1
    })
    exchange.onResponseError(undefined, new Error("first"))
    exchange.onResponseError(undefined, new Error("second"))
    exchange.abort()

    assert.deepStrictEqual([woken, exchange.error?.message, asked], [1, "first", ["resume"]])
  })
})
