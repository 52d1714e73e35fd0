import { isIP } from 'node:net'

/** Where Veil and its gateway may be told to go by people who are not its operator. */
export interface OutboundPolicy {
  /** Loopback and private networks: fine on a developer's machine, a way inside elsewhere. */
  allowPrivate: boolean
  /** Ports of our own parts on this machine, such as Caddy's admin endpoint: never a target. */
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

/**
 * Why a server of this name or address must not be called, or null if it may: the guard against
 * server-side request forgery (OWASP API7:2023). Names are judged by their form; what one resolves
 * to is for the caller to check when it calls.
 *
 * @param host as `URL.hostname` has it, or an IP address
 */
export function outboundRefusal(host: string, port: number, policy: OutboundPolicy): string | null {
  if (isIP(host) === 0 && !HOST.test(host)) return `${host} is not a host name`
  const reach = reachOf(host)
  if (reach === 'unusable') return `${host} is not an address of a server`
  if (reach !== 'public' && !policy.allowPrivate)
    return `${host} is not reachable from the internet`
  if (reach === 'own machine' && policy.ownPorts.includes(port))
    return `port ${port} of this machine belongs to Veil itself`
  return null
}

/** The port that a URL names, or that its scheme stands for. */
export const portOf = (url: URL): number =>
  Number(url.port || (url.protocol === 'https:' ? 443 : 80))
