import { ErrorReply, Script } from "@spillway/emulator"
import type { Scenario } from "./scenario.js"
import { withDeadline, withMaxWait } from "./scenario.js"

const answer = Script.answer({ text: "hi" })
const throttled = (retryAfterMs: number, after = 0) => Script.throttled({ retryAfterMs, after })
const html = (status: number, headers: Record<string, string> = {}) =>
  Script.reply({ status, headers: { "content-type": "text/html", ...headers }, body: "<h1>Busy</h1>" })

/** A first attempt that takes 250 ms, then a hint so long that waiting ends at the budget of 4 s, or 1 ms beside it. */
const boundary = (hint: number, sent: Scenario["sent"], result: string): Scenario => ({
  name: `a wait that ends at ${250 + hint} ms of a budget of 4000 ms`,
  script: { ptu: [throttled(hint, 250), answer], std: [answer] },
  sent,
  result,
  virtualOnly: true
})

/**
 * What the policy does with each course of events: which requests it sends, and exactly when. One list for every way to
 * write the policy and every way to reach a server.
 */
export const scenarios: ReadonlyArray<Scenario> = [
  { name: "an answer at once", script: { ptu: [answer], std: [] }, sent: [["ptu", 0]], result: "ptu" },
  {
    name: "a throttle, then an answer",
    script: { ptu: [throttled(1000), answer], std: [] },
    sent: [
      ["ptu", 0],
      ["ptu", 1000]
    ],
    result: "ptu"
  },
  boundary(
    3749,
    [
      ["ptu", 0],
      ["ptu", 3999]
    ],
    "ptu"
  ),
  boundary(
    3750,
    [
      ["ptu", 0],
      ["ptu", 4000]
    ],
    "ptu"
  ),
  boundary(
    3751,
    [
      ["ptu", 0],
      ["std", 250]
    ],
    "std"
  ),
  {
    name: "a first request that takes 3 s and then asks for 1.5 s falls back at 3 s, not at 4.5 s",
    script: { ptu: [throttled(1500, 3000)], std: [answer] },
    sent: [
      ["ptu", 0],
      ["std", 3000]
    ],
    result: "std"
  },
  {
    name: "three throttles in a row",
    script: { ptu: [throttled(1000), throttled(800), throttled(600), answer], std: [] },
    sent: [
      ["ptu", 0],
      ["ptu", 1000],
      ["ptu", 1800],
      ["ptu", 2400]
    ],
    result: "ptu"
  },
  {
    name: "throttles until the budget is spent",
    // On a busy machine a second is soon gone, and the budget with it.
    virtualOnly: true,
    script: { ptu: [Script.forever(throttled(1500))], std: [answer] },
    sent: [
      ["ptu", 0],
      ["ptu", 1500],
      ["ptu", 3000],
      ["std", 3000]
    ],
    result: "std"
  },
  {
    name: "a hint of 12.5 ms is rounded up",
    script: { ptu: [Script.throttled({ retryAfterMs: 12.5 }), answer], std: [] },
    sent: [
      ["ptu", 0],
      ["ptu", 13]
    ],
    result: "ptu",
    virtualOnly: true
  },
  {
    name: "a hint in seconds only",
    script: { ptu: [Script.throttled({ retryAfter: "2" }), answer], std: [] },
    sent: [
      ["ptu", 0],
      ["ptu", 2000]
    ],
    result: "ptu"
  },
  {
    name: "a hint that is a date",
    script: { ptu: [Script.throttled({ retryAfter: "Thu, 01 Jan 1970 00:00:02 GMT" }), answer], std: [] },
    sent: [
      ["ptu", 0],
      ["ptu", 2000]
    ],
    result: "ptu",
    virtualOnly: true
  },
  {
    name: "a hint of a day",
    script: { ptu: [Script.throttled({ retryAfter: "86400" })], std: [answer] },
    sent: [
      ["ptu", 0],
      ["std", 0]
    ],
    result: "std"
  },
  {
    name: "a server error is not waited for",
    script: { ptu: [Script.error(ErrorReply.internalServerError)], std: [answer] },
    sent: [
      ["ptu", 0],
      ["std", 0]
    ],
    result: "std"
  },
  {
    name: "a 503 in HTML",
    script: { ptu: [html(503)], std: [answer] },
    sent: [
      ["ptu", 0],
      ["std", 0]
    ],
    result: "std"
  },
  {
    name: "a 429 in HTML",
    script: { ptu: [html(429, { "retry-after-ms": "700" }), answer], std: [] },
    sent: [
      ["ptu", 0],
      ["ptu", 700]
    ],
    result: "ptu"
  },
  {
    name: "a refused connection",
    script: { ptu: [Script.refuse()], std: [answer] },
    sent: [
      ["ptu", 0],
      ["std", 0]
    ],
    result: "std"
  },
  {
    name: "a deployment that stays silent past its timeout",
    script: { ptu: [Script.silent], std: [answer] },
    ptu: { timeout: "900 millis" },
    sent: [
      ["ptu", 0],
      ["std", 900]
    ],
    result: "std"
  },
  {
    name: "a bad request goes nowhere else",
    script: {
      ptu: [Script.reply({ status: 400, body: { error: { code: "invalid_value", param: "messages" } } })],
      std: []
    },
    sent: [["ptu", 0]],
    result: "BadRequest ptu"
  },
  {
    name: "both out of capacity: Standard has its own retries",
    script: { ptu: [throttled(60_000)], std: [Script.forever(throttled(500))] },
    sent: [
      ["ptu", 0],
      ["std", 0],
      ["std", 500],
      ["std", 1000]
    ],
    result: "RateLimited std"
  },
  {
    name: "Standard recovers on its last retry",
    script: { ptu: [throttled(60_000)], std: [throttled(300), throttled(400), answer] },
    sent: [
      ["ptu", 0],
      ["std", 0],
      ["std", 300],
      ["std", 700]
    ],
    result: "std"
  },
  {
    name: "a hint over a minute ends Standard's retries",
    script: { ptu: [throttled(60_000)], std: [throttled(60_001)] },
    sent: [
      ["ptu", 0],
      ["std", 0]
    ],
    result: "RateLimited std"
  },
  {
    name: "the call's own maximum wait replaces the policy's: shorter",
    script: { ptu: [throttled(1000)], std: [answer] },
    settings: withMaxWait("500 millis"),
    sent: [
      ["ptu", 0],
      ["std", 0]
    ],
    result: "std"
  },
  {
    name: "the call's own maximum wait replaces the policy's: longer",
    maxWait: "1 second",
    script: { ptu: [throttled(1500), answer], std: [] },
    settings: withMaxWait("2 seconds"),
    sent: [
      ["ptu", 0],
      ["ptu", 1500]
    ],
    result: "ptu"
  },
  {
    name: "a maximum wait of zero never waits",
    script: { ptu: [throttled(1)], std: [answer] },
    settings: withMaxWait(0),
    sent: [
      ["ptu", 0],
      ["std", 0]
    ],
    result: "std"
  },
  {
    name: "a deadline cuts Standard's retries",
    virtualOnly: true,
    script: { ptu: [throttled(60_000)], std: [Script.forever(throttled(1500))] },
    settings: withDeadline("2 seconds"),
    sent: [
      ["ptu", 0],
      ["std", 0],
      ["std", 1500]
    ],
    result: "RateLimited std"
  }
]
