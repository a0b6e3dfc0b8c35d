import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
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

// A redirect would carry the key to another host, so none is followed. Only fetch follows any by itself.
const unredirected = (context: Context.Context<never>): Context.Context<never> =>
  Context.add(context, FetchHttpClient.RequestInit, {
    ...Context.getOrElse(context, FetchHttpClient.RequestInit, () => ({})),
    redirect: "manual"
  })

interface Local {
  readonly context: Context.Context<never>
  readonly traced: boolean
  readonly redactedNames: ReadonlyArray<string | RegExp>
}

const set = (refs: FiberRefs.FiberRefs, id: FiberId.Runtime, local: Local): FiberRefs.FiberRefs =>
  FiberRefs.updateManyAs(refs, {
    entries: [
      [FiberRef.currentContext, [[id, local.context]]],
      [FiberRef.currentTracerEnabled, [[id, local.traced]]],
      [Headers.currentRedactedNames, [[id, local.redactedNames]]]
    ]
  })

// All in one step, because each `Effect.locally` costs as much as a span.
const silenced =
  (secretHeaders: ReadonlyArray<string>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptibleMask((restore) => {
      let before = FiberRefs.empty()
      const silence = Effect.updateFiberRefs((id, refs) => {
        before = refs
        return set(refs, id, {
          context: unredirected(FiberRefs.getOrDefault(refs, FiberRef.currentContext)),
          traced: false,
          redactedNames: [...FiberRefs.getOrDefault(refs, Headers.currentRedactedNames), ...secretHeaders]
        })
      })
      const speak = Effect.updateFiberRefs((_, refs) => {
        const locals = new Map(refs.locals)
        for (const ref of [FiberRef.currentContext, FiberRef.currentTracerEnabled, Headers.currentRedactedNames]) {
          const own = before.locals.get(ref)
          if (own === undefined) locals.delete(ref)
          else locals.set(ref, own)
        }
        return FiberRefs.unsafeMake(locals)
      })
      return Effect.zipRight(
        silence,
        Effect.matchCauseEffect(restore(self), {
          onFailure: (cause) => Effect.zipRight(speak, Effect.failCause(cause)),
          onSuccess: (response) => Effect.as(speak, response)
        })
      )
    })

const cleaned = (client: HttpClient.HttpClient, secretHeaders: ReadonlyArray<string>): HttpClient.HttpClient =>
  client.pipe(
    HttpClient.withTracerDisabledWhen(() => false),
    HttpClient.withTracerPropagation(false),
    HttpClient.transform((response, request) =>
      Effect.tracerWith((tracer) =>
        response.pipe(
          Effect.withTracer(without(secretsOf(request.headers, secretHeaders), tracer)),
          Effect.locallyWith(Headers.currentRedactedNames, (names) => [...names, ...secretHeaders]),
          Effect.mapInputContext(unredirected)
        )
      )
    )
  )

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
  const guarded = options.httpSpans
    ? cleaned(client, secretHeaders)
    : HttpClient.transformResponse(client, silenced(secretHeaders))
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
