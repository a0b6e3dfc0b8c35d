/**
 * The OpenTelemetry SDK for Node as one Layer.
 *
 * @since 0.1.0
 */
export * as NodeTelemetry from "./NodeTelemetry.js"
