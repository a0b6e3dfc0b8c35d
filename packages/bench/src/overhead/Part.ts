import * as Effect from "effect/Effect"
import * as Allocation from "../allocation/Allocation.js"
import type { Part } from "../Part.js"
import * as Table from "../Table.js"
import * as Overhead from "./Overhead.js"
import * as Policy from "./Policy.js"

const titles = [
  "The policy alone, over a deployment in memory",
  "A whole AzureOpenAI.chat, over an HTTP client in memory"
]

const note =
  "For one call that succeeds at once. CPU: processor time of the process. Beyond: more than the same spans, with the same attributes, around the same request without Spillway. Steps: of Effect's runtime, the same on every machine."

export const part: Part = {
  name: "overhead",
  about: "the policy's own cost, over a deployment in memory",
  run: ({ progress, quick }) =>
    Effect.gen(function* () {
      const onTurn = (round: number, name: string) =>
        progress(`overhead, ${round < 0 ? "settling" : `round ${round + 1}`}: ${name}`)
      const groups = yield* Overhead.run(
        quick
          ? { rounds: 5, warmUp: 0, settle: 1200, turnMs: 80, onTurn }
          : { rounds: 11, warmUp: 1, settle: 4000, turnMs: 120, onTurn }
      )
      const allocated = quick
        ? undefined
        : yield* Allocation.run({ what: "overhead", calls: 500, times: 3, settle: 3000 }, ({ name }) =>
            progress(`overhead, allocation: ${name}`)
          )
      return {
        tables: groups.map((rows, index) => ({
          title: titles[index] ?? "",
          head: [
            "",
            "CPU us",
            "middle half",
            "beyond two spans, us",
            "steps",
            "calls/s",
            ...(allocated === undefined ? [] : ["KiB allocated"])
          ],
          rows: rows.map((row) => [
            row.name,
            Table.figure(row.cpuUs),
            row.spreadUs.map(Table.figure).join(".."),
            Table.figure(row.beyondUs),
            Table.figure(row.steps),
            Table.figure(row.callsPerSecond),
            ...(allocated === undefined ? [] : [Table.kib(allocated.get(row.name))])
          ]),
          note
        })),
        goals: groups
          .flat()
          .filter(({ name }) => name === Policy.everything)
          .flatMap(({ beyondUs }) =>
            beyondUs === undefined
              ? []
              : [
                  {
                    what: "the policy, beyond its two spans",
                    limit: { atMost: 40 },
                    unit: "us of CPU",
                    measured: beyondUs
                  }
                ]
          )
      }
    })
}
