/** The emulator inside the command, for who has no Azure resource at hand. */
import { Emulator } from "@spillway/emulator"
import * as Layer from "effect/Layer"

/** A client that is answered by an emulator without a socket, at ten times the speed of a model: its words are made up anyway. */
export const layerClient = (deployments: { readonly provisioned: string; readonly standard: string }) => {
  const latency = { firstTokenMs: 100, tokensPerSecond: 250 }
  return Emulator.layerClient.pipe(
    Layer.provide(
      Emulator.layer({
        deployments: [
          { name: deployments.provisioned, kind: "provisioned", model: "gpt-4o", latency },
          { name: deployments.standard, kind: "standard", model: "gpt-4o", latency }
        ]
      })
    )
  )
}
