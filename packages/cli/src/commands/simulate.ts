import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import type * as Help from "../Help.js"

const text = (name: string, word: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(word), Options.withDescription(description), Options.optional)

const flag = (name: string, description: string) => Options.boolean(name).pipe(Options.withDescription(description))

const options = {
  trace: text("trace", "FILE", "Replay a record: CSV with TIMESTAMP, ContextTokens, GeneratedTokens"),
  workload: text("workload", "NAME", "Make traffic up: steady (default), onoff, flash or diurnal"),
  model: text("model", "NAME", "Model of the deployments. Default gpt-4o"),
  ptus: text("ptus", "N", "PTUs of the provisioned deployment. Default 100"),
  ptuTokens: text("ptu-tokens", "N", "Input tokens per minute a PTU is worth. Default: as documented"),
  load: text("load", "X", "Mean demand over the PTUs' capacity, such as 1.5. Default: the traffic's own"),
  maxWait: text("max-wait", "TIME", "Longest wait of interactive calls, such as 500ms. Default 4s"),
  batchMaxWait: text("batch-max-wait", "TIME", "Longest wait of batch calls. Default 60s"),
  batchShare: text("batch-share", "X", "Share of calls that are batch, from 0 to 1. Default 0.4"),
  maxTokens: text("max-tokens", "HOW", "A number for all, none, or such as 1.3x the answer. Default 1.3x"),
  window: text("window", "TIME", "Depth of the PTUs' bucket, which Azure does not tell. Default 10s"),
  standardTpm: text("standard-tpm", "N", "Standard's tokens per minute. Default: four times the PTUs'"),
  processes: text("processes", "N", "Client processes, each with a gate of its own. Default 1"),
  sizeKnown: flag("size-known", "Let spillway trust the PTUs' size, and not look for more"),
  duration: text("duration", "TIME", "How long made-up traffic is measured. Default 240s"),
  seeds: text("seeds", "N", "How many times, with other chances each time. Default 5"),
  policies: text("policies", "LIST", "What to compare, such as spillway,published rule. Default: all"),
  prices: text("prices", "IN,OUT,PTU", "$ for a million tokens and a PTU hour. Default 2.5,10,0.3"),
  sweep: text("sweep", "RANGES", 'PTUs, waits or both: ptus=50..200 or "ptus=50..200 max-wait=0s..8s"'),
  robustness: flag("robustness", "Try it with wrong estimates, sizes, hints and windows as well"),
  report: text("report", "FILE", "Write an HTML page with plots"),
  json: flag("json", "Print the numbers as one JSON object")
}

/** The options as they were written. */
export type Written = Command.Command.ParseConfig<typeof options>

export const simulate = Command.make("simulate", options, (written) =>
  Effect.flatMap(
    Effect.promise(() => import("../simulate/Simulate.js")),
    ({ run }) => run(written)
  )
).pipe(Command.withDescription("Replay traffic: what policies cost, how many PTUs to buy"))

export const help: Help.Entry = {
  name: "simulate",
  descriptor: simulate.descriptor,
  notes: [
    {
      title: "Examples",
      rows: [
        ["simulate --workload onoff", "What policies make of bursts"],
        ["simulate --trace calls.csv --ptus 300 --report page.html", "Your own traffic, as a page with plots"],
        ["simulate --trace calls.csv --ptus 300 --sweep ptus=150..450", "How many PTUs to buy"]
      ]
    }
  ]
}
