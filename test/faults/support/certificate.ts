import { generateKeyPairSync, sign } from "node:crypto"

// As much of DER as a certificate takes (X.690).
const tagged = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  const size = content.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}
const sequence = (...parts: ReadonlyArray<Uint8Array>): Buffer => tagged(0x30, ...parts)
const bytes = (hex: string): Buffer => Buffer.from(hex, "hex")
const time = (date: Date): Buffer => tagged(0x17, Buffer.from(`${date.toISOString().replace(/\D/g, "").slice(2, 14)}Z`))
const ecdsaWithSha256 = sequence(tagged(0x06, bytes("2a8648ce3d040302")))
const commonName = tagged(0x06, bytes("550403"))
const subjectAltName = tagged(0x06, bytes("551d11"))
const basicConstraints = tagged(0x06, bytes("551d13"))
const day = 24 * 3_600_000

/** A key made for this run, and a certificate signed with itself, for one host name (RFC 5280). */
export const selfSigned = (host: string): { readonly key: string; readonly cert: string } => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  const name = sequence(tagged(0x31, sequence(commonName, tagged(0x0c, Buffer.from(host)))))
  const extensions = sequence(
    sequence(subjectAltName, tagged(0x04, sequence(tagged(0x82, Buffer.from(host))))),
    sequence(basicConstraints, tagged(0x04, sequence(tagged(0x01, bytes("ff")))))
  )
  const content = sequence(
    tagged(0xa0, tagged(0x02, bytes("02"))),
    tagged(0x02, bytes("01")),
    ecdsaWithSha256,
    name,
    sequence(time(new Date(Date.now() - day)), time(new Date(Date.now() + day))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, extensions)
  )
  const certificate = sequence(content, ecdsaWithSha256, tagged(0x03, bytes("00"), sign("sha256", content, privateKey)))
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString("base64")}\n-----END CERTIFICATE-----\n`
  }
}
