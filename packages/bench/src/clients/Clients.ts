/** The rows of the tables, in their order. */
import type { Definition } from "./Client.js"
import { cockatiel, fetch, pRetried } from "./Fetch.js"
import { bridge, openai } from "./OpenAi.js"
import { executionPlan, httpClient, platform } from "./Platform.js"
import { fastest, fastestTraced, onPlatform, onPlatformTraced } from "./Spillway.js"
import { undici } from "./Undici.js"

export const all: ReadonlyArray<Definition> = [
  undici,
  fetch,
  cockatiel,
  pRetried,
  openai,
  bridge,
  platform,
  httpClient,
  executionPlan,
  onPlatform,
  onPlatformTraced,
  fastest,
  fastestTraced
]

/** What the others are compared with: the client people use today. */
export const reference = openai

/** What is asked of rows beside {@link reference}, at 64 requests at a time: at least so many times its requests/s, at most so much of its CPU. */
export const goals: ReadonlyArray<{ readonly id: string; readonly rate: number; readonly cpu: number }> = [
  { id: fastest.id, rate: 3, cpu: 0.35 },
  { id: fastestTraced.id, rate: 2, cpu: 0.5 }
]
