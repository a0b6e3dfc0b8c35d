#!/usr/bin/env node
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import { bench } from "./Command.js"
import * as Machine from "./Machine.js"

// As the command `spillway` has them: done, failed, wrong usage, interrupted.
const exitCode = { done: 0, failed: 1, misuse: 2, interrupted: 130 }

Command.run(bench, { name: "bench", version: Machine.version, executable: "bench" })(process.argv).pipe(
  Effect.as(exitCode.done),
  Effect.catchAllCause((cause) => {
    if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
    // A wrong argument has been told already.
    return ValidationError.isValidationError(Cause.squash(cause))
      ? Effect.succeed(exitCode.misuse)
      : Effect.as(Console.error(Cause.pretty(cause, { renderErrorCause: true })), exitCode.failed)
  }),
  Effect.provide([NodeContext.layer, CliConfig.layer({ showBuiltIns: false })]),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, done) =>
      done(Exit.isSuccess(exit) && Predicate.isNumber(exit.value) ? exit.value : exitCode.interrupted)
  })
)
