import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"

const credentialHeaders = ["api-key", "authorization", "ocp-apim-subscription-key"]

const redacted = "<redacted>"

const secretsOf = (headers: Headers.Headers, names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.flatMap((name) => {
    const value = headers[name]
    if (value === undefined || value === "") return []
    // The token without its scheme is a secret as well.
    return [value, value.replace(/^\S+\s+/, "")]
  })

// Whatever a client below does with its span, nothing it writes holds a credential of the request.
const without = (secrets: ReadonlyArray<string>, tracer: Tracer.Tracer): Tracer.Tracer => {
  const clean = (value: unknown): unknown =>
    Predicate.isString(value) && secrets.some((secret) => value.includes(secret)) ? redacted : value
  return Tracer.make({
    context: (f, fiber) => tracer.context(f, fiber),
    span: (...args) => {
      const span = tracer.span(...args)
      const attribute = span.attribute.bind(span)
      span.attribute = (key, value) => attribute(key, clean(value))
      return span
    }
  })
}

const traceparent = (span: Tracer.Span): string => `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`

/**
 * A client whose own span is made only where asked for, never holds a credential, and sends no trace id but the one asked
 * for. `withTracerDisabledWhen` and `currentRedactedNames` are not enough: a client may have been given its own, and those
 * go before ours.
 *
 * @internal
 */
export const guard = (
  client: HttpClient.HttpClient,
  options: {
    readonly propagate: boolean
    readonly httpSpans: boolean
    readonly secretHeaders?: ReadonlyArray<string> | undefined
  }
): HttpClient.HttpClient => {
  const secretHeaders = [...credentialHeaders, ...(options.secretHeaders ?? [])]
  const guarded = client.pipe(
    HttpClient.withTracerDisabledWhen(() => !options.httpSpans),
    HttpClient.withTracerPropagation(false),
    HttpClient.transform((response, request) =>
      Effect.tracerWith((tracer) =>
        response.pipe(
          Effect.withTracer(without(secretsOf(request.headers, secretHeaders), tracer)),
          Effect.locallyWith(Headers.currentRedactedNames, (names) => [...names, ...secretHeaders])
        )
      )
    )
  )
  return options.propagate
    ? HttpClient.mapRequestEffect(guarded, (request) =>
        Effect.map(Effect.option(Effect.currentSpan), (span) =>
          Option.match(span, {
            onNone: () => request,
            onSome: (span) => HttpClientRequest.setHeader(request, "traceparent", traceparent(span))
          })
        )
      )
    : guarded
}
