import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import type { Part } from "../Part.js"
import * as Table from "../Table.js"
import * as Size from "./Size.js"

const here = fileURLToPath(new URL(".", import.meta.url))

export const part: Part = {
  name: "size",
  about: "how much code each package brings along",
  run: ({ progress }) =>
    Effect.map(
      Effect.forEach(Size.subjects, (subject) =>
        Effect.zipRight(progress(`size: ${subject.name}`), Size.measure(subject, here))
      ),
      (rows) => ({
        tables: [
          {
            title: "Size",
            head: ["", "KiB minified", "KiB minified and gzipped"],
            rows: rows.map(({ gzipped, minified, name }) => [name, Table.kib(minified), Table.kib(gzipped)]),
            note: "Packages: their own code, all of it. Programs: with all they need, Effect included, without what they do not use."
          }
        ],
        goals: []
      })
    )
}
