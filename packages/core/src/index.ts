/**
 * One gate per deployment, for all calls of the process.
 *
 * @since 0.1.0
 */
export * as Admission from "./Admission.js"

/**
 * One request sent to one deployment, as a call remembers it.
 *
 * @since 0.1.0
 */
export * as Attempt from "./Attempt.js"

/**
 * One use of a deployment by the application: its start, its attempts and waits, its root span.
 *
 * @since 0.1.0
 */
export * as Call from "./Call.js"

/**
 * What one caller accepts: set around a call, read by the policy below it.
 *
 * @since 0.1.0
 */
export * as CallSettings from "./CallSettings.js"

/**
 * An end to how long an effect may take, set as an instant.
 *
 * @since 0.1.0
 */
export * as Deadline from "./Deadline.js"

/**
 * Where to go when a deployment is done: `orElse`, for any effect.
 *
 * @since 0.1.0
 */
export * as Fallback from "./Fallback.js"

/**
 * The decisions of admission, as a machine without clock, fibers or effects.
 *
 * @since 0.1.0
 */
export * as Gate from "./Gate.js"

/**
 * Counts calls, requests, waits and tokens.
 *
 * @since 0.1.0
 */
export * as Metrics from "./Metrics.js"

/**
 * What the policy knows of an error.
 *
 * @since 0.1.0
 */
export * as Recovery from "./Recovery.js"

/**
 * When to try a throttled deployment again.
 *
 * @since 0.1.0
 */
export * as RetryAfter from "./RetryAfter.js"

/**
 * A deployment as the policy sees it.
 *
 * @since 0.1.0
 */
export * as Runner from "./Runner.js"

/**
 * The names of Spillway's own spans, attributes, events, metrics and labels.
 *
 * @since 0.1.0
 */
export * as Telemetry from "./Telemetry.js"
