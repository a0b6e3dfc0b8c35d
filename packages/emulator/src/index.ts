/**
 * The leaky bucket of provisioned throughput.
 *
 * @since 0.1.0
 */
export * as Bucket from "./Bucket.js"

/**
 * Azure OpenAI's data plane, in process or behind a socket.
 *
 * @since 0.1.0
 */
export * as Emulator from "./Emulator.js"

/**
 * What an emulator is made from.
 *
 * @since 0.1.0
 */
export * as EmulatorConfig from "./EmulatorConfig.js"

/**
 * The error replies that Azure documents or was seen to send.
 *
 * @since 0.1.0
 */
export * as ErrorReply from "./ErrorReply.js"

/**
 * What goes wrong, and how often.
 *
 * @since 0.1.0
 */
export * as Fault from "./Fault.js"

/**
 * Throttles inside a stream of status 200.
 *
 * @since 0.1.0
 */
export * as InStreamThrottle from "./InStreamThrottle.js"

/**
 * The models: windows, rates, what a PTU is worth.
 *
 * @since 0.1.0
 */
export * as Model from "./Model.js"

/**
 * The sliding windows of Standard's quotas.
 *
 * @since 0.1.0
 */
export * as RateWindow from "./RateWindow.js"

/**
 * What was asked, kept for tests.
 *
 * @since 0.1.0
 */
export * as RecordedRequest from "./RecordedRequest.js"

/**
 * A server that a test plays reply by reply.
 *
 * @since 0.1.0
 */
export * as Script from "./Script.js"

/**
 * Server-sent events, written.
 *
 * @since 0.1.0
 */
export * as ServerSentEvent from "./ServerSentEvent.js"

/**
 * Requests and replies as the emulator has them.
 *
 * @since 0.1.0
 */
export * as Wire from "./Wire.js"
