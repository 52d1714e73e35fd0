import { isIP } from 'node:net'
import { UpstreamRefused } from './errors'

export interface UpstreamPolicy {
  /** Loopback and private networks: fine on a developer's machine, a way inside elsewhere. */
  allowPrivate: boolean
  /** Ports of our own parts on this machine, such as Caddy's admin endpoint: never an upstream. */
  ownPorts: number[]
}

type Octets = [number, number, number, number]

const isLoopback = ([a]: Octets) => a === 127
const isPrivate = ([a, b, c]: Octets) =>
  a === 10 ||
  (a === 192 && b === 0 && c === 0) ||
  (a === 198 && (b === 18 || b === 19)) ||
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
  // Unique local (RFC 4193) and the site-local addresses that they replaced.
  if (/^(f[cd]|fe[c-f])/.test(text)) return 'private'
  // Only 2000::/3 is given out. 6to4 and Teredo wrap IPv4 addresses that we would have to look into.
  return /^[23][0-9a-f]{3}:/.test(text) && !/^(2002:|2001:0?:|2001:db8:)/.test(text)
    ? 'public'
    : 'unusable'
}

/** Names of loopback in the hosts file of common systems. */
const LOOPBACK_NAMES =
  /^(localhost[46]?|ip6-localhost|ip6-loopback|localhost[46]?\.localdomain[46]?)$|\.localhost$/

function reachOf(hostname: string): Reach {
  // A dot at the end marks a full name; it is the same name.
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const family = isIP(host)
  if (family === 4) return reachOfV4(host)
  if (family === 6) return reachOfV6(host)
  if (LOOPBACK_NAMES.test(host)) return 'own machine'
  return /\.(internal|local|localdomain|lan|home|corp|intranet|svc|arpa)$/.test(host) ||
    !host.includes('.')
    ? 'private'
    : 'public'
}

/** What a URL allows in a host is more than any server's name has, braces among it: `{http.vars.x}`. */
const HOST =
  /^(\[[0-9a-f:]+\]|[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?)$/
/** `pchar` of RFC 3986 without `%`: what the gateway passes on as it is. */
const PATH = /^[A-Za-z0-9._~!$&'()*+,;=:@/-]*$/

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
  requireForm(url)
  requireReach(url, policy)
  return url.href.replace(/\/$/, '')
}

/** Nothing but host, port and a plain path: all that the gateway can hand on unchanged. */
function requireForm(url: URL): void {
  if (url.username || url.password) throw new UpstreamRefused('leave user name and password out')
  // Also a bare `?` or `#`, which the URL's parts do not show.
  if (/[?#]/.test(url.href)) throw new UpstreamRefused('leave query and fragment out')
  if (!HOST.test(url.hostname)) throw new UpstreamRefused(`${url.hostname} is not a host name`)
  const path = url.pathname.replace(/\/$/, '')
  if (!PATH.test(path) || /\/\.{0,2}(\/|$)/.test(path))
    throw new UpstreamRefused('its path may have no empty, dot or encoded parts')
}

function requireReach(url: URL, policy: UpstreamPolicy): void {
  const reach = reachOf(url.hostname)
  if (reach === 'unusable')
    throw new UpstreamRefused(`${url.hostname} is not an address of a server`)
  if (reach !== 'public' && !policy.allowPrivate)
    throw new UpstreamRefused(`${url.hostname} is not reachable from the internet`)
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  if (reach === 'own machine' && policy.ownPorts.includes(port))
    throw new UpstreamRefused(`port ${port} of this machine belongs to Veil itself`)
}
