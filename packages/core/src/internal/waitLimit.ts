import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** How long the Schedule around a deployment lets calls wait. @internal */
export class WaitLimit extends Context.Reference<WaitLimit>()("@spillway/core/WaitLimit", {
  defaultValue: (): Option.Option<Duration.Duration> => Option.none()
}) {}
