/**
 * What people do today, to compare with.
 *
 * @since 0.1.0
 */
export * as Baselines from "./Baselines.js"

/**
 * Several policies over the same traffic, beside the oracle.
 *
 * @since 0.1.0
 */
export * as Comparison from "./Comparison.js"

/**
 * The bound: a policy that sees what no client can see.
 *
 * @since 0.1.0
 */
export * as Oracle from "./Oracle.js"

/**
 * What a client does with a request.
 *
 * @since 0.1.0
 */
export * as Policy from "./Policy.js"

/**
 * An answer of the lab as one HTML file.
 *
 * @since 0.1.0
 */
export * as Report from "./Report.js"

/**
 * One request of a workload.
 *
 * @since 0.1.0
 */
export * as Request from "./Request.js"

/**
 * What becomes of the policy when what it believes is wrong.
 *
 * @since 0.1.0
 */
export * as Robustness from "./Robustness.js"

/**
 * A question to the lab.
 *
 * @since 0.1.0
 */
export * as Scenario from "./Scenario.js"

/**
 * Azure OpenAI as the lab models it.
 *
 * @since 0.1.0
 */
export * as Server from "./Server.js"

/**
 * One run: one policy, one workload, one seed.
 *
 * @since 0.1.0
 */
export * as Simulation from "./Simulation.js"

/**
 * The library's own policy.
 *
 * @since 0.1.0
 */
export * as Spillway from "./Spillway.js"

/**
 * The little statistics the lab needs.
 *
 * @since 0.1.0
 */
export * as Statistics from "./Statistics.js"

/**
 * How many PTUs, and how long a wait.
 *
 * @since 0.1.0
 */
export * as Sweep from "./Sweep.js"

/**
 * What is counted during one run.
 *
 * @since 0.1.0
 */
export * as Tally from "./Tally.js"

/**
 * Virtual time: a heap of things that happen at their instant.
 *
 * @since 0.1.0
 */
export * as Timeline from "./Timeline.js"

/**
 * A record of real traffic.
 *
 * @since 0.1.0
 */
export * as Trace from "./Trace.js"

/**
 * Effect's clock over virtual time.
 *
 * @since 0.1.0
 */
export * as VirtualClock from "./VirtualClock.js"

/**
 * The traffic a run is fed with.
 *
 * @since 0.1.0
 */
export * as Workload from "./Workload.js"
