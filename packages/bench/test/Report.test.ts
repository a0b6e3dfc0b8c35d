import { assert, describe, it } from "@effect/vitest"
import type { Goal } from "../src/Part.js"
import * as Report from "../src/Report.js"

const goal = (limit: Goal["limit"], measured: number): Goal => ({ what: "speed", limit, unit: "x", measured })

const goals = (...all: ReadonlyArray<Goal>) => Report.goals([{ tables: [], goals: all }])[0]?.rows

describe("Report", () => {
  it("a goal that is just reached is met", () => {
    assert.deepStrictEqual(goals(goal({ atLeast: 3 }, 3), goal({ atLeast: 3 }, 2.99)), [
      ["speed", "3.00 x", "at least 3 x", "yes"],
      ["speed", "2.99 x", "at least 3 x", "no"]
    ])
    assert.deepStrictEqual(goals(goal({ atMost: 0.35 }, 0.35), goal({ atMost: 0.35 }, 0.36)), [
      ["speed", "0.35 x", "at most 0.35 x", "yes"],
      ["speed", "0.36 x", "at most 0.35 x", "no"]
    ])
  })

  it("what was not measured meets no goal", () => {
    assert.deepStrictEqual(goals(goal({ atMost: 1 }, Number.NaN))?.[0]?.at(-1), "no")
  })

  it("there is a table of goals where there are goals", () => {
    assert.deepStrictEqual(Report.goals([{ tables: [], goals: [] }]), [])
    const [table, ...others] = Report.goals([
      { tables: [], goals: [goal({ atMost: 1 }, 1)] },
      { tables: [], goals: [goal({ atMost: 2 }, 1)] }
    ])
    assert.deepStrictEqual([table?.title, table?.rows.length, others.length], ["Goals", 2, 0])
  })

  it("the file says of which version it is, where it was measured, and how it is made", () => {
    const text = Report.toMarkdown("1.2.3", ["two cores", "node 20"], [])
    assert.match(text, /^# Spillway 1\.2\.3/)
    assert.include(text, "npx -y pnpm@12 bench")
    assert.include(text, "- two cores\n- node 20")
  })
})
