import { answer, throttledOnce } from "../support/behaviour.js"
import type { Row } from "../support/row.js"
import { answers } from "../support/row.js"

const stall = (millis: number): void => {
  const until = performance.now() + millis
  while (performance.now() < until);
}

export const time: ReadonlyArray<Row> = [
  {
    fault: "clock an hour ahead in a wait",
    ptu: throttledOnce({ "retry-after-ms": "300" }),
    jumpMs: 3_600_000,
    expected: "ptu, after RateLimited",
    ptuRequests: 2,
    stdRequests: 0,
    budgetMs: 1000,
    atLeastMs: 300
  },
  {
    fault: "clock an hour back in a wait",
    ptu: throttledOnce({ "retry-after-ms": "300" }),
    jumpMs: -3_600_000,
    expected: "ptu, after RateLimited",
    ptuRequests: 2,
    stdRequests: 0,
    budgetMs: 1000,
    atLeastMs: 300
  },
  {
    fault: "clock a day ahead, no hint",
    ptu: throttledOnce({}),
    jumpMs: 86_400_000,
    expected: "ptu, after RateLimited",
    ptuRequests: 2,
    stdRequests: 0,
    budgetMs: 1000,
    atLeastMs: 50
  },
  {
    fault: "stall of 500 ms in a wait",
    stallMs: 500,
    ptu: (socket, nth, body) => {
      throttledOnce({ "retry-after-ms": "100" })(socket, nth, body)
      if (nth === 1) setTimeout(() => stall(500), 30)
    },
    expected: "ptu, after RateLimited",
    ptuRequests: 2,
    stdRequests: 0,
    budgetMs: 150,
    atLeastMs: 100
  },
  {
    fault: "stall of 300 ms with the answer there",
    stallMs: 300,
    ptu: (socket, nth, body) => {
      answer(socket, nth, body)
      stall(300)
    },
    ...answers,
    budgetMs: 100
  }
]
