/** The lab's command: reads the question, runs it, tells the answer. */
import * as FileSystem from "@effect/platform/FileSystem"
import { Comparison, Report, Robustness, Sweep, Trace } from "@spillway/lab"
import type { Scenario } from "@spillway/lab"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { basename } from "node:path"
import type { Written } from "../commands/simulate.js"
import { Misuse } from "../Failure.js"
import * as Progress from "../Progress.js"
import * as Style from "../Style.js"
import * as Question from "./Question.js"
import * as Tables from "./Tables.js"

const reasons: Record<string, string> = {
  NotFound: "there is no such file",
  PermissionDenied: "this user may not read it",
  BadResource: "it is no file"
}

const readTrace = (path: string): Effect.Effect<Scenario.Traffic, Misuse, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const trace = yield* Trace.parse(fs.stream(path, { chunkSize: 1 << 20 })).pipe(
      Progress.show(() => `reading ${path}`),
      Effect.mapError((error) => {
        switch (error._tag) {
          case "InvalidTrace":
            return new Misuse({ problems: [`--trace: ${path}, ${error.message}`] })
          case "SystemError":
            return new Misuse({ problems: [`--trace: cannot read ${path}: ${reasons[error.reason] ?? error.reason}`] })
          case "BadArgument":
            return new Misuse({ problems: [`--trace: cannot read ${path}: ${error.message}`] })
        }
      })
    )
    return { _tag: "Trace", name: basename(path), trace }
  })

const barWidth = 30

const bar = (stage: string, { done, policy, seed }: Comparison.Progress): string => {
  const filled = Math.round(done * barWidth)
  return `${stage} ${"█".repeat(filled)}${"░".repeat(barWidth - filled)} ${Math.floor(done * 100)
    .toString()
    .padStart(3)} %  ${policy}, seed ${seed}`
}

const watched = <A, E, R>(
  stage: string,
  work: (onProgress: (progress: Comparison.Progress) => void) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let latest: Comparison.Progress = { policy: "oracle", seed: 1, done: 0 }
    return work((progress) => {
      latest = progress
    }).pipe(Progress.show(() => bar(stage, latest)))
  })

// Beside the place it is meant for, then moved: a page is there as a whole or not at all.
const write = (path: string, page: string): Effect.Effect<void, Misuse, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const draft = `${path}.${process.pid}.part`
    yield* Effect.zipRight(fs.writeFileString(draft, page), fs.rename(draft, path)).pipe(
      Effect.onError(() => Effect.ignore(fs.remove(draft)))
    )
  }).pipe(
    Effect.mapError(
      (error) =>
        new Misuse({
          problems: [
            `--report: cannot write ${path}: ${error._tag === "SystemError" ? (writeReasons[error.reason] ?? error.reason) : error.message}`
          ]
        })
    )
  )

const writeReasons: Record<string, string> = {
  NotFound: "there is no such directory",
  PermissionDenied: "this user may not write there",
  BadResource: "it is a directory"
}

// A long run should not end with the news that there is no room for its result.
const checkReport = (path: string): Effect.Effect<void, Misuse, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const isDirectory = yield* fs.stat(path).pipe(
      Effect.map((info) => info.type === "Directory"),
      Effect.orElseSucceed(() => false)
    )
    if (isDirectory) return yield* new Misuse({ problems: [`--report: ${path} is a directory, expected a file`] })
    const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "."
    return yield* fs
      .access(folder, { writable: true })
      .pipe(
        Effect.mapError(
          () => new Misuse({ problems: [`--report: cannot write in ${folder}, expected a directory that is there`] })
        )
      )
  })

/** Answers the question that the options put. */
export const run = (written: Written): Effect.Effect<void, Misuse, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const question = yield* Effect.mapError(Question.read(written), (problems) => new Misuse({ problems }))
    const { policies, prices, seeds, source, sweep } = question
    yield* Option.match(written.report, { onNone: () => Effect.void, onSome: checkReport })
    const traffic: Scenario.Traffic =
      source._tag === "File"
        ? yield* readTrace(source.path)
        : { _tag: "Synthetic", shape: source.shape, seconds: source.seconds }
    const scenario: Scenario.Scenario = { ...question.scenario, traffic }
    const common = { scenario, seeds, prices }

    const compared = yield* watched("policies", (onProgress) => Comparison.run({ ...common, policies, onProgress }))
    const swept = yield* Option.match(sweep, {
      onNone: () => Effect.succeedNone,
      onSome: (ranges) =>
        Effect.asSome(watched("sweep", (onProgress) => Sweep.run({ ...common, ...ranges, onProgress })))
    })
    const robustness = written.robustness
      ? yield* Effect.asSome(watched("robustness", (onProgress) => Robustness.run({ ...common, onProgress })))
      : Option.none()

    if (Option.isSome(written.report)) {
      yield* write(written.report.value, Report.render({ ...compared, scenario, sweep: swept, robustness }))
      yield* Console.error(`Wrote ${written.report.value}`)
    }
    yield* Console.log(
      written.json
        ? JSON.stringify({
            ...compared.result,
            ...Option.match(swept, { onNone: () => ({}), onSome: (sweep) => ({ sweep }) }),
            ...Option.match(robustness, { onNone: () => ({}), onSome: (robustness) => ({ robustness }) })
          })
        : [
            Tables.comparison(compared.result, scenario, Style.stdout),
            ...Option.toArray(Option.map(swept, (swept) => Tables.sweep(swept, Style.stdout))),
            ...Option.toArray(Option.map(robustness, (rows) => Tables.robustness(rows, Style.stdout)))
          ].join("\n\n")
    )
  })
