/** The ways a command ends that are not success, and the exit code of each. */
import * as Data from "effect/Data"

/** Wrong usage or configuration: every problem, one to a line, each naming the flag or variable and what was expected. Exit code 2. */
export class Misuse extends Data.TaggedError("Misuse")<{ readonly problems: ReadonlyArray<string> }> {
  override get message(): string {
    return this.problems.join("\n")
  }
}

/** The work itself failed, and standard error says already why, the error's tag first. Exit code 1. */
export class Failed extends Data.TaggedError("Failed") {}

export const exitCode = { done: 0, failed: 1, misuse: 2, interrupted: 130 } as const
