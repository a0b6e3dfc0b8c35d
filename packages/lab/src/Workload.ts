/**
 * The traffic a run is fed with: a trace, or one of four kinds that are made up from a seed.
 *
 * @since 0.1.0
 */
import { Draws, streams } from "./internal/random.js"
import type { Arrival } from "./Request.js"
import type { Span } from "./Tally.js"
import type { Trace } from "./Trace.js"

/**
 * Traffic, ready to be run. The same seed gives the same arrivals.
 *
 * @since 0.1.0
 * @category models
 */
export interface Workload {
  readonly name: string
  /** What it is, in a line. */
  readonly description: string
  /** Mean demand while it is measured, in input-token equivalents per second. */
  readonly demand: number
  /** Requests that arrive in this span are counted; those around it keep the deployment as busy as it would be. */
  readonly measured: Span
  /** When the last request has arrived. */
  readonly until: number
  /** How many requests there are, roughly, for a progress bar. */
  readonly expected: number
  readonly arrivals: (seed: number) => Iterable<Arrival>
}

/**
 * The kinds of traffic that can be made up, as demand over capacity:
 *
 * - `steady`: independent arrivals at one rate.
 * - `onoff`: 1.7 and 0.1 in turns that last 10 seconds on average.
 * - `flash`: 0.6, and ten times that for half a minute.
 * - `diurnal`: from 0.3 up to 1.8 and back, once.
 *
 * @since 0.1.0
 * @category models
 */
export type Shape = "steady" | "onoff" | "flash" | "diurnal"

/**
 * The names of the kinds.
 *
 * @since 0.1.0
 * @category constants
 */
export const shapes: ReadonlyArray<Shape> = ["steady", "onoff", "flash", "diurnal"]

/**
 * What made-up traffic is made from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What the provisioned deployment drains, in input-token equivalents per second: the unit of load. */
  readonly tokensPerSecond: number
  /** Input tokens that an output token counts as. */
  readonly outputWeight: number
  /** Mean demand over capacity. Defaults to that of the kind: 1, 0.9, 1.28 (in 4 minutes) and 1.05. */
  readonly load?: number | undefined
  /** How long it is measured, in seconds. Defaults to 240. */
  readonly seconds?: number | undefined
  /** The longest prompt and the longest answer, in tokens: longer ones are cut. */
  readonly limits: { readonly promptTokens: number; readonly outputTokens: number }
}

// Log-normal sizes of the study this lab repeats, near those of Azure's conversation trace but with longer tails.
const prompt = { median: 1100, sigma: 1.2 }
const output = { median: 200, sigma: 1 }
const meanOf = ({ median, sigma }: { readonly median: number; readonly sigma: number }): number =>
  median * Math.exp(sigma ** 2 / 2)

const warmUpMs = 90_000
// As long as a batch request waits, so that a queue at the end of the measured span meets the traffic it would meet.
const coolDownMs = 60_000

/** A rate that holds for some time. */
interface Stretch {
  readonly to: number
  readonly factor: number
}

const flashMs = 30_000

const meanFactor = (shape: Shape, measuredMs: number): number => {
  switch (shape) {
    case "steady":
      return 1
    case "onoff":
      return 0.9
    case "flash":
      return 0.6 + (5.4 * Math.min(flashMs, measuredMs)) / measuredMs
    case "diurnal":
      return 1.05
  }
}

function* stretches(shape: Shape, { from, to }: Span, until: number, draws: Draws): Generator<Stretch> {
  switch (shape) {
    case "steady":
      yield { to: until, factor: 1 }
      return
    case "onoff":
      for (let at = 0, on = true; at < until; on = !on) {
        at += draws.exponential() * 10_000
        yield { to: Math.min(at, until), factor: on ? 1.7 : 0.1 }
      }
      return
    case "flash": {
      const begins = from + (to - from) / 4
      yield { to: begins, factor: 0.6 }
      yield { to: Math.min(begins + flashMs, to), factor: 6 }
      yield { to: until, factor: 0.6 }
      return
    }
    case "diurnal":
      for (let at = 0; at < until; at += 1000) {
        const turn = (2 * Math.PI * (at + 500 - from)) / (to - from)
        yield { to: Math.min(at + 1000, until), factor: 1.05 - 0.75 * Math.cos(turn) }
      }
  }
}

/**
 * Made-up traffic of a kind. Prompts have 1100 tokens in the median, answers 200, both with long tails.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Workload } from "@spillway/lab"
 *
 * // One and a half times what 15 PTUs of gpt-4o can do.
 * export const busy = Workload.synthetic("steady", {
 *   tokensPerSecond: (15 * 2500) / 60,
 *   outputWeight: 4,
 *   load: 1.5,
 *   limits: { promptTokens: 128_000, outputTokens: 16_384 }
 * })
 * ```
 */
export const synthetic = (shape: Shape, options: Options): Workload => {
  const { limits, outputWeight, tokensPerSecond } = options
  const measuredMs = (options.seconds ?? 240) * 1000
  const measured = { from: warmUpMs, to: warmUpMs + measuredMs }
  const until = measured.to + coolDownMs
  const natural = meanFactor(shape, measuredMs)
  const load = options.load ?? natural
  const requestsPerMs = ((load / natural) * tokensPerSecond) / (meanOf(prompt) + outputWeight * meanOf(output)) / 1000
  const size = (of: { readonly median: number; readonly sigma: number }, limit: number, draws: Draws): number =>
    Math.min(limit, Math.max(1, Math.round(draws.logNormal(of.median, of.sigma))))
  return {
    name: shape,
    description: `${shape}, ${load.toFixed(2)}x of capacity, ${measuredMs / 1000} s`,
    demand: load * tokensPerSecond,
    measured,
    until,
    expected: requestsPerMs * natural * until,
    *arrivals(seed) {
      // Rates and requests have streams of their own: another load keeps the pattern.
      const draws = new Draws(seed, streams.arrivals, 0)
      let due = draws.exponential()
      let at = 0
      for (const { factor, to } of stretches(shape, measured, until, new Draws(seed, streams.arrivals, 1))) {
        const rate = requestsPerMs * factor
        for (let next = at + due / rate; next <= to; next = at + due / rate) {
          at = next
          due = draws.exponential()
          yield {
            at,
            promptTokens: size(prompt, limits.promptTokens, draws),
            outputTokens: size(output, limits.outputTokens, draws)
          }
        }
        due -= (to - at) * rate
        at = to
      }
    }
  }
}

/**
 * A trace as traffic. With a `load`, it is played faster or slower, so that its mean demand is that many times the capacity;
 * without, at the speed at which it was recorded.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import type { Trace } from "@spillway/lab"
 * import { Workload } from "@spillway/lab"
 *
 * // Played so fast, or so slowly, that it asks for exactly what the PTUs drain.
 * export const full = (trace: Trace.Trace) =>
 *   Workload.fromTrace(trace, { name: "our traffic", tokensPerSecond: 50_000, outputWeight: 4, load: 1 })
 * ```
 */
export const fromTrace = (
  trace: Trace,
  options: Pick<Options, "tokensPerSecond" | "outputWeight" | "load"> & { readonly name: string }
): Workload => {
  const { load, name, outputWeight, tokensPerSecond } = options
  const lasts = trace.times.at(-1) ?? 0
  let tokens = 0
  for (let row = 0; row < trace.rows; row++) {
    tokens += (trace.promptTokens[row] ?? 0) + outputWeight * (trace.outputTokens[row] ?? 0)
  }
  const recorded = tokens / (lasts / 1000)
  const speed = load === undefined ? 1 : (load * tokensPerSecond) / recorded
  const until = lasts / speed
  const demand = recorded * speed
  return {
    name,
    description: `${name}, ${trace.rows} requests in ${Math.round(until / 1000)} s (speed ${speed.toFixed(2)}), ${(demand / tokensPerSecond).toFixed(2)}x of capacity`,
    demand,
    measured: { from: 0, to: until },
    until,
    expected: trace.rows,
    *arrivals() {
      for (let row = 0; row < trace.rows; row++) {
        yield {
          at: (trace.times[row] ?? 0) / speed,
          promptTokens: trace.promptTokens[row] ?? 0,
          outputTokens: trace.outputTokens[row] ?? 0
        }
      }
    }
  }
}
