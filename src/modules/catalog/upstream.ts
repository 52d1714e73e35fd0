import { isIP } from 'node:net'
import { UpstreamRefused } from './errors'

export interface UpstreamPolicy {
  /** Loopback and private networks: fine on a developer's machine, a way inside elsewhere. */
  allowPrivate: boolean
  /** `host:port` of our own parts, such as Caddy's admin endpoint: never an upstream. */
  ownPorts: number[]
}

type Octets = [number, number, number, number]

const isLoopback = ([a]: Octets) => a === 127
const isPrivate = ([a, b]: Octets) =>
  a === 10 ||
  (a === 172 && b >= 16 && b <= 31) ||
  (a === 192 && b === 168) ||
  (a === 100 && b >= 64 && b <= 127)
/** "This network", link-local (cloud metadata lives there), multicast and reserved: never. */
const isUnusable = ([a, b]: Octets) => a === 0 || (a === 169 && b === 254) || a >= 224

type Reach = 'public' | 'private' | 'own machine' | 'unusable'

function reachOfV4(address: string): Reach {
  const octets = address.split('.').map(Number) as Octets
  if (isUnusable(octets)) return 'unusable'
  if (isLoopback(octets)) return 'own machine'
  return isPrivate(octets) ? 'private' : 'public'
}

function reachOfV6(address: string): Reach {
  const text = address.toLowerCase()
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text)
  if (mapped) {
    const high = Number.parseInt(mapped[1] ?? '', 16)
    const low = Number.parseInt(mapped[2] ?? '', 16)
    return reachOfV4([high >> 8, high & 255, low >> 8, low & 255].join('.'))
  }
  if (text === '::1') return 'own machine'
  if (text === '::' || text.startsWith('fe8') || text.startsWith('ff')) return 'unusable'
  if (/^f[cd]/.test(text)) return 'private'
  // NAT64, 6to4 and Teredo wrap IPv4 addresses that we would have to look into.
  return /^(64:ff9b:|2002:|2001:0?:)/.test(text) ? 'unusable' : 'public'
}

function reachOf(hostname: string): Reach {
  const host = hostname.replace(/^\[|\]$/g, '')
  const family = isIP(host)
  if (family === 4) return reachOfV4(host)
  if (family === 6) return reachOfV6(host)
  if (host === 'localhost' || host.endsWith('.localhost')) return 'own machine'
  return /(^|\.)(internal|local|lan|home|corp)$/.test(host) || !host.includes('.')
    ? 'private'
    : 'public'
}

/**
 * Checks where a provider wants calls to go, so that the gateway cannot be turned against the
 * network it stands in (OWASP API7:2023, server-side request forgery). Names are judged by their
 * form; what they resolve to at call time is the network's business (an egress rule there).
 *
 * @returns the address in one form, without a slash at its end
 */
export function checkUpstream(text: string, policy: UpstreamPolicy): string {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UpstreamRefused('use an http:// or https:// address')
  if (url.username || url.password) throw new UpstreamRefused('leave user name and password out')
  if (url.search || url.hash) throw new UpstreamRefused('leave query and fragment out')
  if (/%|\/\.{0,2}(\/|$)/.test(url.pathname.replace(/\/$/, '')))
    throw new UpstreamRefused('its path may have no empty, dot or encoded parts')
  const reach = reachOf(url.hostname)
  if (reach === 'unusable')
    throw new UpstreamRefused(`${url.hostname} is not an address of a server`)
  if (reach !== 'public' && !policy.allowPrivate)
    throw new UpstreamRefused(`${url.hostname} is not reachable from the internet`)
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  if (reach === 'own machine' && policy.ownPorts.includes(port))
    throw new UpstreamRefused(`port ${port} of this machine belongs to Veil itself`)
  return url.href.replace(/\/$/, '')
}
