import type { Row } from "../support/row.js"
import { broken } from "./broken.js"
import { connecting } from "./connecting.js"
import { replies } from "./replies.js"
import { silence } from "./silence.js"
import { time } from "./time.js"

export const rows: ReadonlyArray<Row> = [...connecting, ...broken, ...silence, ...replies, ...time]
