import { describe, expect, test } from 'vitest'
import { checkUpstream } from '../../../src/modules/catalog/upstream'

const OWN = [3000, 3001, 8080, 2019, 5432]
const check = (allowPrivate: boolean) => (text: string) => {
  try {
    return checkUpstream(text, { allowPrivate, ownPorts: OWN })
  } catch (error) {
    return { refused: (error as { code: string }).code }
  }
}
const strictly = check(false)
const atHome = check(true)
const REFUSED = { refused: 'upstream_refused' }

describe('is taken, in one form', () => {
  test.each([
    ['https://api.example.com', 'https://api.example.com'],
    ['https://api.example.com/', 'https://api.example.com'],
    ['HTTPS://API.Example.COM:443/v1/', 'https://api.example.com/v1'],
    ['http://api.example.com:8080/v1', 'http://api.example.com:8080/v1'],
    ['http://api.example.com:2019', 'http://api.example.com:2019'],
    ['https://93.184.216.34/x', 'https://93.184.216.34/x'],
    ['https://[2606:2800:220:1::1]:8443', 'https://[2606:2800:220:1::1]:8443'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['https://a.example/v1;x=1/@(b)', 'https://a.example/v1;x=1/@(b)'],
    ['https://api.example.com.', 'https://api.example.com.'],
    ['https://a_b.example', 'https://a_b.example'],
  ])('%s', (text, expected) => {
    expect(strictly(text)).toBe(expected)
    expect(atHome(text)).toBe(expected)
  })
})

describe('is refused everywhere', () => {
  test.each([
    ...['', 'example.com', '/v1', '//example.com', 'http://', 'https://exa mple.com'],
    ...['ftp://example.com', 'file:///etc/passwd', 'gopher://a.example', 'javascript:alert(1)'],
    ...[
      'unix:///var/run/docker.sock',
      'data:text/plain,x',
      'ws://a.example',
      'http://a.example:65536',
    ],
    // Who and what, which have no place in the address of a server.
    ...['http://user@a.example', 'http://user:pass@a.example', 'http://:pass@a.example'],
    ...['http://a.example?x=1', 'http://a.example/?', 'http://a.example/#x', 'http://a.example/#'],
    // Paths that the gateway would hand on differently.
    ...[
      'http://a.example/a%2fb',
      'http://a.example/a b',
      'http://a.example/a//b',
      'http://a.example//',
    ],
    ...['http://a.example/{x}', 'http://a.example/a|b', 'http://a.example/ä'],
    ...['http://a.example/[x]', 'http://a.example/"', 'http://a.example/^'],
    // Placeholders of the gateway, and other things that are no host.
    ...['http://{http.vars.x}.com', 'http://%7Bhttp.vars.x%7D.com', 'http://a*b.example'],
    ...['http://a$b.example', 'http://a..example', 'http://.example', "http://a'b.example"],
    ...['http://-a.example', 'http://a-.example', 'http://a,b.example', 'http://..'],
    // Cloud metadata and the rest of link-local.
    ...[
      'http://169.254.169.254/latest',
      'http://169.254.0.1',
      'http://[fe80::1]',
      'http://[fe90::1]',
    ],
    ...[
      'http://[febf::1]',
      'http://[::ffff:169.254.169.254]',
      'http://2852039166',
      'http://0xa9fea9fe',
    ],
    ...['http://0251.0376.0251.0376', 'http://169.254.43518', 'http://169.254.169.254.'],
    // Nobody's addresses.
    ...['http://0.0.0.0', 'http://0', 'http://0.0.0.0:2019', 'http://[::]', 'http://[::]:2019'],
    ...['http://224.0.0.1', 'http://255.255.255.255', 'http://[ff02::1]', 'http://[100::1]'],
    // Loopback wrapped in IPv6: compatible, translated, NAT64, 6to4, Teredo.
    ...['http://[::127.0.0.1]', 'http://[::ffff:0:127.0.0.1]', 'http://[64:ff9b::7f00:1]'],
    ...[
      'http://[64:ff9b:1::7f00:1]',
      'http://[2002:7f00:1::]',
      'http://[2001::1]',
      'http://[2001:0:1::]',
    ],
    ...['http://[2001:db8::1]', 'http://[4000::1]'],
  ])('%s', (text) => {
    expect(strictly(text)).toEqual(REFUSED)
    expect(atHome(text)).toEqual(REFUSED)
  })
})

describe('is a way into the network, so only where that is permitted', () => {
  test.each([
    ...['http://localhost', 'http://localhost.', 'http://LOCALHOST:9999', 'http://a.localhost'],
    ...['http://ip6-localhost', 'http://ip6-loopback', 'http://localhost.localdomain'],
    ...['http://127.0.0.1', 'http://127.1', 'http://127.255.255.254', 'http://127.0.0.1.'],
    ...[
      'http://2130706433',
      'http://0x7f000001',
      'http://0177.0.0.1',
      'http://0x7f.1',
      'http://①②⑦.0.0.1',
    ],
    ...[
      'http://[::1]',
      'http://[0:0:0:0:0:0:0:1]',
      'http://[::ffff:127.0.0.1]',
      'http://[::ffff:7f00:1]',
    ],
    ...['http://10.0.0.1', 'http://10.255.255.255', 'http://172.16.0.1', 'http://172.31.255.255'],
    ...['http://192.168.0.1', 'http://100.64.0.1', 'http://100.127.255.255', 'http://192.0.0.1'],
    ...['http://198.18.0.1', 'http://198.19.255.255', 'http://[fc00::1]', 'http://[fdff::1]'],
    ...['http://[fec0::1]', 'http://[::ffff:10.0.0.1]', 'http://167772161'],
    ...[
      'http://postgres',
      'http://intranet',
      'http://metadata.google.internal',
      'http://nas.local',
    ],
    ...['http://metadata.google.internal.', 'http://router.lan', 'http://a.home', 'http://a.corp'],
    ...['http://kubernetes.default.svc', 'http://a.svc.cluster.local', 'http://a.home.arpa'],
  ])('%s', (text) => {
    expect(strictly(text)).toEqual(REFUSED)
    expect(atHome(text)).toBeTypeOf('string')
  })

  test.each(['172.15.0.1', '172.32.0.1', '100.63.0.1', '100.128.0.1', '11.0.0.1', '198.20.0.1'])(
    'http://%s lies beside a private network, not in it',
    (host) => {
      expect(strictly(`http://${host}`)).toBe(`http://${host}`)
    },
  )
})

describe('a part of Veil itself is never an upstream, by whatever name', () => {
  const names = ['localhost', 'localhost.', 'x.localhost', '127.0.0.1', '127.9.9.9', '[::1]']
  const disguised = ['2130706433', '0x7f.1', '[::ffff:127.0.0.1]', 'ip6-localhost', 'LocalHost']
  test.each([...names, ...disguised])('%s', (name) => {
    for (const port of OWN) expect(atHome(`http://${name}:${port}`)).toEqual(REFUSED)
    expect(atHome(`http://${name}:9999`)).toBeTypeOf('string')
  })

  test('the port that a scheme stands for counts too', () => {
    const policy = { allowPrivate: true, ownPorts: [80, 443] }
    for (const url of ['http://localhost', 'https://localhost', 'http://localhost:80'])
      expect(() => checkUpstream(url, policy)).toThrow(/belongs to Veil/)
    expect(checkUpstream('http://localhost:443x'.replace('x', '0'), policy)).toContain('4430')
  })
})
