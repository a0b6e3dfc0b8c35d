import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, StructuredOutput } from "@spillway/azure-openai"
import { Effect, Either, Layer, Schema } from "effect"
import { ptu, wire } from "./support/wire.js"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.NonEmptyString,
  born: Schema.Date,
  kind: Schema.NullOr(Schema.Literal("poet", "mathematician"))
}) {}

describe("StructuredOutput", () => {
  it("puts the object at the root, closed and without what strict mode refuses", () => {
    assert.deepStrictEqual(
      StructuredOutput.fromSchema(Person),
      Either.right({
        strict: true,
        schema: {
          type: "object",
          required: ["name", "born", "kind"],
          additionalProperties: false,
          properties: {
            name: { $ref: "#/$defs/NonEmptyString" },
            born: { $ref: "#/$defs/Date" },
            kind: { anyOf: [{ type: "string", enum: ["poet", "mathematician"] }, { type: "null" }] }
          },
          $defs: {
            NonEmptyString: { type: "string", description: "a non empty string" },
            Date: { type: "string", description: "a string to be decoded into a Date" },
            Person: {
              type: "object",
              required: ["name", "born", "kind"],
              additionalProperties: false,
              properties: {
                name: { $ref: "#/$defs/NonEmptyString" },
                born: { $ref: "#/$defs/Date" },
                kind: { anyOf: [{ type: "string", enum: ["poet", "mathematician"] }, { type: "null" }] }
              }
            }
          }
        }
      })
    )
  })

  it("is not strict with optional properties or with open records", () => {
    for (const schema of [
      Schema.Struct({ a: Schema.optional(Schema.String) }),
      Schema.Struct({ a: Schema.Struct({ b: Schema.optional(Schema.String) }) }),
      Schema.Struct({ a: Schema.Record({ key: Schema.String, value: Schema.Number }) })
    ]) {
      assert.strictEqual(
        Either.getOrThrow(StructuredOutput.fromSchema(schema as Schema.Schema.AnyNoContext)).strict,
        false
      )
    }
  })

  it("keeps properties that are called like keywords", () => {
    const output = Either.getOrThrow(
      StructuredOutput.fromSchema(Schema.Struct({ title: Schema.String, format: Schema.Number, enum: Schema.String }))
    )

    assert.deepStrictEqual(Object.keys(output.schema["properties"] as object), ["title", "format", "enum"])
    assert.isTrue(output.strict)
  })

  it("finds the root whatever its identifier is", () => {
    for (const identifier of ["@app/models/Person", "a~b", "50% off", "größe", "$defs"]) {
      class Named extends Schema.Class<Named>(identifier)({
        name: Schema.String,
        friend: Schema.NullOr(Schema.String)
      }) {}
      const { schema, strict } = Either.getOrThrow(StructuredOutput.fromSchema(Named))

      assert.deepStrictEqual([schema["type"], schema["required"], strict], ["object", ["name", "friend"], true])
    }
  })

  it("is not strict with tuples, which strict mode does not know, but is with arrays that are not empty", () => {
    const tuples = [
      Schema.Struct({ a: Schema.Tuple(Schema.String, Schema.Number) }),
      Schema.Struct({ a: Schema.Tuple([Schema.String], Schema.Number) }),
      Schema.Struct({ a: Schema.Tuple() }),
      Schema.Struct({ a: Schema.Struct({ b: Schema.Array(Schema.Tuple(Schema.String, Schema.String)) }) })
    ]
    for (const schema of tuples) {
      assert.isFalse(Either.getOrThrow(StructuredOutput.fromSchema(schema as Schema.Schema.AnyNoContext)).strict)
    }
    const output = Either.getOrThrow(
      StructuredOutput.fromSchema(
        Schema.Struct({ a: Schema.NonEmptyArray(Schema.String), b: Schema.Array(Schema.Int) })
      )
    )
    assert.isTrue(output.strict)
    assert.deepStrictEqual((output.schema["properties"] as Record<string, unknown>)["a"], {
      type: "array",
      items: { type: "string" }
    })
  })

  it("refuses what is no object, or has no JSON Schema", () => {
    assert.deepStrictEqual(
      StructuredOutput.fromSchema(Schema.Array(Schema.String)),
      Either.left("expected the Schema of an object")
    )
    assert.deepStrictEqual(
      StructuredOutput.fromSchema(Schema.Struct({ a: Schema.DateFromSelf, b: Schema.BigIntFromSelf })),
      Either.left("expected a Schema that has a JSON Schema")
    )
  })
})

describe("AzureOpenAI.chatJson", () => {
  const answer = (message: Record<string, unknown>, finish = "stop") => ({
    pieces: [
      JSON.stringify({
        id: "1",
        choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: finish }]
      })
    ]
  })
  const ask = AzureOpenAI.chatJson({ messages: [{ role: "user", content: "Ada" }] }, Person, { name: "person" })

  it.effect("sends the schema and decodes the answer", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([answer({ content: '{"name":"Ada","born":"1815-12-10","kind":"mathematician"}' })])

      const { text, value } = yield* ask.pipe(Effect.provide(ptu().pipe(Layer.provide(layer))))

      assert.deepStrictEqual(value, new Person({ name: "Ada", born: new Date("1815-12-10"), kind: "mathematician" }))
      assert.isTrue(text.startsWith('{"name"'))
      const format = sent[0]?.body?.["response_format"] as { json_schema: Record<string, unknown> } | undefined
      const { schema, ...rest } = format?.json_schema ?? {}
      assert.deepStrictEqual(rest, { name: "person", strict: true })
      assert.deepStrictEqual(schema, Either.getOrThrow(StructuredOutput.fromSchema(Person)).schema)
    })
  )

  const bad: ReadonlyArray<readonly [string, ReturnType<typeof answer>, string, string | undefined]> = [
    [
      "another shape",
      answer({ content: '{"name":"","born":"1815-12-10","kind":null}' }),
      "choices.0.message.content.name",
      undefined
    ],
    ["cut off", answer({ content: '{"name":"SECRET' }, "length"), "choices.0.message.content", "length"],
    ["refused", answer({ content: null, refusal: "SECRET" }), "choices.0.message.refusal", "refusal"],
    ["empty", answer({ content: "" }, "content_filter"), "choices.0.message.content", "content_filter"]
  ]
  for (const [name, reply, path, code] of bad) {
    it.effect(`fails with Malformed, and without the answer, where it is ${name}`, () =>
      Effect.gen(function* () {
        const { layer, sent } = wire([reply])

        const error = yield* ask.pipe(Effect.flip, Effect.provide(ptu().pipe(Layer.provide(layer))))

        assert.strictEqual(error._tag, "Malformed")
        assert.deepStrictEqual(error._tag === "Malformed" && [error.path, error.code], [path, code])
        assert.isFalse(`${String(error)} ${JSON.stringify(error)}`.includes("SECRET"))
        assert.strictEqual(sent.length, 1)
      })
    )
  }

  it.effect("does not print names that the model made up", () =>
    Effect.gen(function* () {
      const { layer } = wire([answer({ content: '{"notes":{"SECRET":"x"}}' })])
      const Notes = Schema.Struct({ notes: Schema.Record({ key: Schema.String, value: Schema.Number }) })

      const error = yield* AzureOpenAI.chatJson({ messages: [{ role: "user", content: "Ada" }] }, Notes).pipe(
        Effect.flip,
        Effect.provide(ptu().pipe(Layer.provide(layer)))
      )

      assert.strictEqual(error._tag === "Malformed" && error.path, "choices.0.message.content.notes.*")
    })
  )

  it.effect("sends nothing for a Schema that is no object", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([])

      const error = yield* AzureOpenAI.chatJson({ messages: [{ role: "user", content: "Ada" }] }, Schema.String).pipe(
        Effect.flip,
        Effect.provide(ptu().pipe(Layer.provide(layer)))
      )

      assert.strictEqual(
        error.message,
        "gpt-4o-ptu: request refused because of response_format: expected the Schema of an object (0 requests sent)"
      )
      assert.strictEqual(sent.length, 0)
    })
  )

  it.effect("says where a hostile answer is wrong, however deep it is, and whatever the Schema's messages are", () =>
    Effect.gen(function* () {
      const deep = `{"name":${"[".repeat(20_000)}${"]".repeat(20_000)}}`
      const { layer } = wire([answer({ content: deep }), answer({ content: '{"n":"x"}' })])
      const Slow = Schema.Struct({
        n: Schema.Number.annotations({ message: () => Effect.delay(Effect.succeed("no number"), "1 second") })
      })
      const messages = [{ role: "user" as const, content: "Ada" }]

      const errors = yield* Effect.all([
        Effect.flip(AzureOpenAI.chatJson({ messages }, Schema.Struct({ name: Schema.String }))),
        Effect.flip(AzureOpenAI.chatJson({ messages }, Slow))
      ]).pipe(Effect.provide(ptu().pipe(Layer.provide(layer))))

      assert.deepStrictEqual(
        errors.map((error) => error._tag === "Malformed" && error.path),
        ["choices.0.message.content.name", "choices.0.message.content.n"]
      )
    })
  )

  it.effect("derives the JSON Schema of a Schema once", () =>
    Effect.gen(function* () {
      let derived = 0
      const Counted = Schema.Struct({
        n: Schema.Number.annotations({
          get jsonSchema() {
            derived++
            return { type: "number" }
          }
        })
      })
      derived = 0
      const { layer } = wire([answer({ content: '{"n":1}' }), answer({ content: '{"n":2}' })])
      const asked = AzureOpenAI.chatJson({ messages: [{ role: "user", content: "Ada" }] }, Counted)

      const answers = yield* Effect.all([asked, asked]).pipe(Effect.provide(ptu().pipe(Layer.provide(layer))))

      assert.deepStrictEqual(
        answers.map(({ value }) => value.n),
        [1, 2]
      )
      assert.isAtMost(derived, 1)
    })
  )

  it.effect("refuses what is no request", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([])
      const error = yield* Effect.flip(AzureOpenAI.chatJson(null as never, Person)).pipe(
        Effect.provide(ptu().pipe(Layer.provide(layer)))
      )
      assert.strictEqual(error._tag === "BadRequest" && error.param, "messages")
      assert.strictEqual(sent.length, 0)
    })
  )
})

describe("AzureOpenAI.responseJson", () => {
  const ask = AzureOpenAI.responseJson({ input: "Ada", store: false, text: { verbosity: "low" } }, Person, {
    name: "person"
  })
  const response = (content: ReadonlyArray<unknown>, more?: Record<string, unknown>) => ({
    pieces: [JSON.stringify({ id: "resp_1", status: "completed", output: [{ type: "message", content }], ...more })]
  })
  const said = (text: string) => [{ type: "output_text", text }]

  it.effect("sends the schema beside what else the text is to be, and decodes the answer", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([response(said('{"name":"Ada","born":"1815-12-10","kind":null}'))])

      const { response: made, value } = yield* ask.pipe(Effect.provide(ptu().pipe(Layer.provide(layer))))

      assert.deepStrictEqual(value, new Person({ name: "Ada", born: new Date("1815-12-10"), kind: null }))
      assert.strictEqual(made.id, "resp_1")
      assert.deepStrictEqual(sent[0]?.body?.["text"], {
        verbosity: "low",
        format: {
          type: "json_schema",
          name: "person",
          strict: true,
          schema: Either.getOrThrow(StructuredOutput.fromSchema(Person)).schema
        }
      })
    })
  )

  const bad: ReadonlyArray<readonly [string, ReturnType<typeof response>, string, string | undefined]> = [
    ["another shape", response(said('{"name":"","born":"1815-12-10","kind":null}')), "output_text.name", undefined],
    [
      "cut off",
      response(said('{"name":"SECRET'), {
        status: "incomplete",
        incomplete_details: { reason: "max_output_tokens" }
      }),
      "output_text",
      "max_output_tokens"
    ],
    ["refused", response([{ type: "refusal", refusal: "SECRET" }]), "output.refusal", "refusal"],
    ["empty", response([]), "output_text", undefined]
  ]
  for (const [name, reply, path, code] of bad) {
    it.effect(`fails with Malformed, and without the answer, where it is ${name}`, () =>
      Effect.gen(function* () {
        const { layer, sent } = wire([reply])

        const error = yield* ask.pipe(Effect.flip, Effect.provide(ptu().pipe(Layer.provide(layer))))

        assert.deepStrictEqual(error._tag === "Malformed" && [error.path, error.code], [path, code])
        assert.isFalse(`${String(error)} ${JSON.stringify(error)}`.includes("SECRET"))
        assert.strictEqual(sent.length, 1)
      })
    )
  }
})
