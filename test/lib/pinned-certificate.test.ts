import { X509Certificate } from 'node:crypto'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { pinnedCertificate } from '#lib/pinned-certificate'

const mine = pinnedCertificate('a secret', 'edge.veil')

describe('pinnedCertificate', () => {
  it('is the same for the same secret and name, and no other', () => {
    expect(pinnedCertificate('a secret', 'edge.veil')).toEqual(mine)
    expect(pinnedCertificate('another secret', 'edge.veil').der).not.toBe(mine.der)
    expect(pinnedCertificate('a secret', 'node.veil').der).not.toBe(mine.der)
  })

  it('is a certificate that signs itself, for its name, without an end', () => {
    const read = new X509Certificate(mine.certificatePem)
    expect(read.raw.toString('base64')).toBe(mine.der)
    expect(read.verify(read.publicKey)).toBe(true)
    expect(read.checkHost('edge.veil')).toBe('edge.veil')
    expect(read.checkHost('other.veil')).toBeUndefined()
    expect(read.validTo).toContain('9999')
    expect(read.subject).toBe('CN=edge.veil')
  })

  it('takes the longest name that a certificate may carry', () => {
    const long = `${'a'.repeat(58)}.veil`
    expect(new X509Certificate(pinnedCertificate('s', long).certificatePem).checkHost(long)).toBe(
      long,
    )
  })

  it.each([
    ['who pins it', mine.certificatePem, true],
    ['who pins another', pinnedCertificate('another secret', 'edge.veil').certificatePem, false],
  ])('is believed by %s', async (_, ca, believed) => {
    const server = createServer({ key: mine.privateKeyPem, cert: mine.certificatePem })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const { port } = server.address() as { port: number }
    const outcome = await new Promise<boolean>((resolve) => {
      const socket: TLSSocket = connect({ port, host: '127.0.0.1', ca, servername: 'edge.veil' })
      socket.on('secureConnect', () => resolve(socket.authorized))
      socket.on('error', () => resolve(false))
    })
    server.close()
    expect(outcome).toBe(believed)
  })
})
