import { Admission } from "@spillway/core"
import { Effect, Exit, Scope } from "effect"
import { assert } from "vitest"
import type { Caller } from "./callers.js"
import { Ledger } from "./ledger.js"
import type { Command, Plan, Script } from "./script.js"
import type { Tally } from "./visit.js"
import { World } from "./world.js"

const newcomer: Plan = {
  priority: 10,
  cost: 0,
  maxWait: 0,
  deadline: undefined,
  replies: [{ after: 1000, is: "answered", share: 0, hint: undefined }],
  streams: undefined,
  delay: 0,
  twice: false
}

/** A gate, those who use it as the script says, and time, which goes on as far as the script does. */
export class Play {
  readonly world = new World()
  readonly ledger: Ledger
  private readonly scope = Effect.runSync(Scope.make())

  constructor(
    readonly script: Script,
    caller: (ledger: Ledger) => Caller,
    seen: Tally
  ) {
    const { world } = this
    world.early = script.early
    world.patience = script.patience
    // Nobody waits as long as the gate itself would have it: each caller has a limit of its own, or its policy's.
    const making = world.fork(Scope.extend(Admission.make({ ...script, maxWait: "1 hour" }), this.scope))
    world.run()
    const made = making.unsafePoll()
    assert(made !== null && Exit.isSuccess(made))
    this.ledger = new Ledger(world, made.value, script, caller, seen)
    for (const command of script.commands) this.do(command)
  }

  /** Time goes on until nothing is left to happen. */
  end(): void {
    const { ledger, world } = this
    ledger.run()
    for (let steps = 0; world.advance(); steps++) {
      ledger.run()
      assert.isBelow(steps, 10_000, "the timers come to an end")
    }
    assert.deepStrictEqual(
      ledger.live.map(({ order }) => order),
      [],
      "every call ends"
    )
  }

  /** After a quiet time the gate has all it can have: what is asked for then is sent at once. */
  newcomers(): void {
    const { burstMs, tokensPerSecond } = this.script
    this.pass(10_000_000)
    // At the slowest pace there is, a thirtieth, and no more than a gate sends at once.
    const cost = (0.3 * Math.min(burstMs, 10_000) * tokensPerSecond) / 1000 / 30
    for (let n = 0; n < (cost > 0 ? 3 : 1); n++) {
      const fresh = this.ledger.arrives({ ...newcomer, cost }, undefined)
      this.ledger.run()
      assert.strictEqual(fresh.state, "open", `newcomer ${n} is sent at once`)
    }
    this.end()
  }

  close(): void {
    if (this.ledger.closed) return
    this.ledger.closed = true
    this.world.fork(Scope.close(this.scope, Exit.void))
    this.ledger.run()
  }

  private do(command: Command): void {
    const { ledger, world } = this
    if (command.pause > 0) this.pass(command.pause)
    if (command.do === "arrive") {
      ledger.arrives(command.plan, command.interruptedAfter)
      if (!command.together) ledger.run()
    } else if (command.do === "interrupt") {
      const victim = ledger.live[command.which % Math.max(1, ledger.live.length)]
      if (victim !== undefined) ledger.interrupts(victim, command.after)
      ledger.run()
    } else if (command.do === "stall") {
      ledger.run()
      world.now += command.millis
      this.pass(0)
    } else {
      this.close()
    }
  }

  private pass(millis: number): void {
    const { ledger, world } = this
    const until = world.now + millis
    ledger.run()
    while (world.next <= until && world.advance()) ledger.run()
    world.now = Math.max(world.now, until)
  }
}
