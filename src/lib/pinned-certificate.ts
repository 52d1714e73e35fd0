import { createPrivateKey, createPublicKey, hkdfSync, sign } from 'node:crypto'

/** A TLS identity that both ends derive from a secret that they share. */
export interface PinnedCertificate {
  /** The name that the certificate is for. */
  serverName: string
  /** The certificate, DER in base64: what the client pins. */
  der: string
  certificatePem: string
  privateKeyPem: string
}

/**
 * A self-signed certificate (RFC 5280) for an Ed25519 key (RFC 8410) that is derived from the secret by HKDF-SHA-256.
 * Such signatures are deterministic (RFC 8032), so every process that knows the secret makes the same bytes: nothing
 * has to be stored, sent around or renewed. It changes with the secret.
 *
 * @param serverName a DNS name of at most 63 ASCII characters
 */
export function pinnedCertificate(secret: string, serverName: string): PinnedCertificate {
  const seed = Buffer.from(hkdfSync('sha256', secret, '', `certificate of ${serverName}`, 32))
  const key = createPrivateKey({
    key: sequence(integer(0), sequence(ED25519), octets(octets(seed))),
    format: 'der',
    type: 'pkcs8',
  })
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const unsigned = toBeSigned(serverName, publicKey)
  const certificate = sequence(unsigned, sequence(ED25519), bits(sign(null, unsigned, key)))
  const der = certificate.toString('base64')
  return {
    serverName,
    der,
    certificatePem: `-----BEGIN CERTIFICATE-----\n${der.replace(/.{64}(?!$)/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    privateKeyPem: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
  }
}

/** RFC 5280 §4.1.2: issuer and subject are one; 99991231235959Z stands for "no end" (§4.1.2.5). */
function toBeSigned(serverName: string, publicKey: Buffer): Buffer {
  const name = sequence(set(sequence(COMMON_NAME, tagged(0x0c, Buffer.from(serverName)))))
  const validity = sequence(
    tagged(0x17, Buffer.from('200101000000Z')),
    tagged(0x18, Buffer.from('99991231235959Z')),
  )
  const alternativeName = sequence(tagged(0x82, Buffer.from(serverName)))
  const extensions = sequence(
    sequence(BASIC_CONSTRAINTS, TRUE, octets(sequence(TRUE))),
    sequence(SUBJECT_ALTERNATIVE_NAME, octets(alternativeName)),
  )
  return sequence(
    tagged(0xa0, integer(2)),
    integer(1),
    sequence(ED25519),
    name,
    validity,
    name,
    publicKey,
    tagged(0xa3, extensions),
  )
}

/** One DER value (ITU-T X.690 §8): tag, length, content. */
function tagged(tag: number, ...content: Buffer[]): Buffer {
  const bytes = Buffer.concat(content)
  const { length } = bytes
  const head =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...head]), bytes])
}

const sequence = (...content: Buffer[]): Buffer => tagged(0x30, ...content)
const set = (...content: Buffer[]): Buffer => tagged(0x31, ...content)
const octets = (content: Buffer): Buffer => tagged(0x04, content)
const bits = (content: Buffer): Buffer => tagged(0x03, Buffer.from([0]), content)
const integer = (value: number): Buffer => tagged(0x02, Buffer.from([value]))

const objectId = (hex: string): Buffer => tagged(0x06, Buffer.from(hex, 'hex'))
const TRUE = tagged(0x01, Buffer.from([0xff]))
/** 1.3.101.112, RFC 8410 §3 */
const ED25519 = objectId('2b6570')
/** 2.5.4.3 */
const COMMON_NAME = objectId('550403')
/** 2.5.29.19 */
const BASIC_CONSTRAINTS = objectId('551d13')
/** 2.5.29.17 */
const SUBJECT_ALTERNATIVE_NAME = objectId('551d11')
