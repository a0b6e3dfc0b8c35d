import type { HttpClient } from "@effect/platform"
import type { CallError, ChatCompletion, ChatStream, Deployment, Responses, StreamBroken } from "@spillway/azure-openai"
import { AzureOpenAI, Credential, Entra, FetchBridge, HttpClientBridge } from "@spillway/azure-openai"
import type { Layer, Redacted, Scope, Stream } from "effect"
import { Effect, Schema } from "effect"
import { describe, expect, test } from "tstyche"

interface Service {
  readonly service: unique symbol
}

type Calling<A, R = never> = Effect.Effect<A, CallError.CallError, Deployment.Deployment | R>

const messages = [{ role: "user", content: "hi" }] as const

describe("streams", () => {
  test("of chat may break, and are to be consumed once begun", () => {
    expect(AzureOpenAI.chatStream({ messages })).type.toBe<
      Stream.Stream<ChatStream.ChatChunk, CallError.CallError | StreamBroken.StreamBroken, Deployment.Deployment>
    >()
    expect(AzureOpenAI.beginChatStream({ messages })).type.toBe<Calling<AzureOpenAI.ChatStreaming, Scope.Scope>>()
    expect<AzureOpenAI.ChatStreaming["chunks"]>().type.toBe<
      Stream.Stream<ChatStream.ChatChunk, StreamBroken.StreamBroken>
    >()
    expect(AzureOpenAI.chatStream).type.not.toBeCallableWith({ messages, stream: false })
  })

  test("of a response hold events that are told apart by type", () => {
    expect(AzureOpenAI.responseStream({ input: "hi" })).type.toBe<
      Stream.Stream<Responses.ResponseEvent, CallError.CallError | StreamBroken.StreamBroken, Deployment.Deployment>
    >()
    expect(AzureOpenAI.beginResponseStream({ input: "hi" })).type.toBe<
      Calling<AzureOpenAI.ResponseStreaming, Scope.Scope>
    >()
  })
})

describe("chatJson", () => {
  const Person = Schema.Struct({ name: Schema.String, born: Schema.Date })
  const needy = Schema.transformOrFail(Person, Schema.typeSchema(Person), {
    decode: (person) => Effect.as(Effect.context<Service>(), person),
    encode: (person) => Effect.succeed(person)
  })

  test("has the Schema's type, and needs what the Schema needs", () => {
    type Answer = AzureOpenAI.JsonAnswer<{ readonly name: string; readonly born: Date }>
    expect(AzureOpenAI.chatJson({ messages }, Person)).type.toBe<Calling<Answer>>()
    expect(AzureOpenAI.chatJson({ messages }, needy)).type.toBe<Calling<Answer, Service>>()
  })
})

describe("what was said", () => {
  test("can be said again", () => {
    type Said = ChatCompletion.ChatCompletion["choices"][number]["message"]
    expect<Said>().type.toBeAssignableTo<ChatCompletion.ChatRequest["messages"][number]>()
    type Output = NonNullable<Responses.Response["output"]>
    expect<Output>().type.toBeAssignableTo<Responses.ResponseRequest["input"]>()
  })

  test("by nobody else", () => {
    expect(AzureOpenAI.chat).type.not.toBeCallableWith({ messages: [{ role: "alien", content: "hi" }] })
  })
})

describe("responses", () => {
  test("are made, got, cancelled and deleted with the same errors", () => {
    expect(AzureOpenAI.createResponse({ input: "hi" })).type.toBe<Calling<AzureOpenAI.ResponseAnswer>>()
    expect(AzureOpenAI.getResponse("resp_1")).type.toBe<Calling<Responses.Response>>()
    expect(AzureOpenAI.cancelResponse("resp_1")).type.toBe<Calling<Responses.Response>>()
    expect<Effect.Effect.Error<ReturnType<typeof AzureOpenAI.deleteResponse>>>().type.toBe<CallError.CallError>()
    expect(AzureOpenAI.createResponse).type.not.toBeCallableWith({ input: "hi", stream: true })
  })
})

describe("embeddings", () => {
  test("of one text are a vector, of a request an answer", () => {
    expect(AzureOpenAI.embeddings({ input: ["a", "b"] })).type.toBe<Calling<AzureOpenAI.EmbeddingsAnswer>>()
    expect<Effect.Effect.Success<ReturnType<typeof AzureOpenAI.embed>>>().type.toBe<ReadonlyArray<number>>()
    expect(AzureOpenAI.embeddings).type.not.toBeCallableWith({ input: 1 })
  })
})

describe("bridges", () => {
  test("need a deployment", () => {
    expect(FetchBridge.make).type.toBe<Effect.Effect<FetchBridge.Fetch, never, Deployment.Deployment>>()
    expect<FetchBridge.Fetch>().type.toBeAssignableTo<typeof globalThis.fetch>()
    expect(HttpClientBridge.layer).type.toBe<Layer.Layer<HttpClient.HttpClient, never, Deployment.Deployment>>()
    expect<ReturnType<typeof HttpClientBridge.make>>().type.toBe<HttpClient.HttpClient>()
  })
})

describe("credentials", () => {
  const token = Effect.as(Effect.context<Service>(), null as unknown as Redacted.Redacted)
  const fails = Effect.fail(new Credential.CredentialError({ reason: "refused" }))

  test("need what signing in needs, but for a Scope", () => {
    type Needs<R> = Layer.Layer<Credential.Credential, never, R>
    expect(Credential.effect(fails)).type.toBe<Needs<never>>()
    expect(Credential.effect(token)).type.toBe<Needs<Service>>()
    expect(Credential.cached(fails)).type.toBe<Needs<never>>()
    expect(Credential.cached(Effect.map(token, (token) => ({ token, expiresAt: 0 })))).type.toBe<Needs<Service>>()
    const scoped = Effect.zipRight(
      Effect.addFinalizer(() => Effect.void),
      token
    )
    expect(Credential.effect(scoped)).type.toBe<Needs<Service>>()
    expect(Credential.effect).type.not.toBeCallableWith(Effect.fail("no"))
  })

  test("of @azure/identity are taken as they are", () => {
    interface AzureCredential {
      getToken(
        scopes: string | Array<string>,
        options?: { abortSignal?: AbortSignal; tenantId?: string }
      ): Promise<{
        token: string
        expiresOnTimestamp: number
        refreshAfterTimestamp?: number
        tokenType?: string
      } | null>
    }
    expect(Entra.layer).type.toBeCallableWith(null as unknown as AzureCredential, { scope: ["a", "b"] })
    expect(Entra.layer).type.not.toBeCallableWith({ getToken: () => "token" })
  })
})
