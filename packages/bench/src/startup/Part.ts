import * as Effect from "effect/Effect"
import type { Part } from "../Part.js"
import * as Table from "../Table.js"
import * as Startup from "./Startup.js"

export const part: Part = {
  name: "startup",
  about: "how long imports take, in fresh processes",
  run: ({ progress, quick }) =>
    Effect.map(
      Startup.run(Startup.subjects, {
        rounds: quick ? 2 : 11,
        warmUp: quick ? 0 : 1,
        onTurn: (round, name) => progress(`startup, ${round < 0 ? "warm-up" : `round ${round + 1}`}: ${name}`)
      }),
      (rows) => ({
        tables: [
          {
            title: "Start-up",
            head: ["", "import ms", "middle half"],
            rows: rows.map(({ ms, name, spreadMs }) => [name, Table.figure(ms), spreadMs.map(Table.figure).join("..")]),
            note: "Each import in a fresh process, its files in the system's cache. After: what is named was loaded before and is not counted."
          }
        ],
        goals: rows
          .filter(({ name }) => name === Startup.ours)
          .map(({ ms, name }) => ({ what: `import of ${name}`, limit: { atMost: 150 }, unit: "ms", measured: ms }))
      })
    )
}
