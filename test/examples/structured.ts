/** JSON that fits a Schema, decoded with it: what comes out is typed. */
import { AzureOpenAI } from "@spillway/azure-openai"
import { Effect, Schema } from "effect"

export const Invoice = Schema.Struct({
  number: Schema.String,
  lines: Schema.Array(Schema.Struct({ article: Schema.String, quantity: Schema.Int }))
})

export const program = AzureOpenAI.chatJson(
  { messages: [{ role: "user", content: "Invoice 7: three pumps, one valve" }] },
  Invoice
).pipe(Effect.map(({ value }) => value))
