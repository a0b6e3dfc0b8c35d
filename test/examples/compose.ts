/** Composed into a program: three questions at once, each with what it accepts, and one answer out of them. */
import { AzureOpenAI } from "@spillway/azure-openai"
import { CallSettings } from "@spillway/core"
import { Effect } from "effect"

const ask = (question: string) =>
  Effect.map(AzureOpenAI.chat({ messages: [{ role: "user", content: question }] }), (answer) => answer.text)

export const program = Effect.all(
  {
    title: ask("A title for a story about a dam").pipe(CallSettings.withMaxWait("500 millis")),
    plot: ask("Its plot in a sentence").pipe(CallSettings.withDeadline("30 seconds")),
    blurb: ask("Its blurb").pipe(CallSettings.withPriority("batch"))
  },
  { concurrency: "unbounded" }
).pipe(
  Effect.map(({ blurb, plot, title }) => `${title}\n\n${plot}\n${blurb}`),
  Effect.catchTag("RateLimited", (error) => Effect.succeed(`Try again later: ${error.deployment} is out of capacity.`))
)
