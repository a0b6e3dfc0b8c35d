import { Converter } from "typedoc"

/** Names modules as they are imported: `@spillway/core/RetryAfter`. */
export const load = (app) => {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children ?? []) module.name = module.name.replace(/^([\w-]+)\/src\//, "@spillway/$1/")
  })
}
