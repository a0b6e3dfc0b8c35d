/** The version of this package. */
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"

const manifest = Schema.decodeUnknownSync(Schema.Struct({ version: Schema.String }))

export const version: string = manifest(createRequire(import.meta.url)("../package.json")).version
