import { type OutboundPolicy, outboundRefusal, portOf } from '#lib/outbound'
import { UpstreamRefused } from './errors'

/** `pchar` of RFC 3986 without `%`: what the gateway passes on as it is. */
const PATH = /^[A-Za-z0-9._~!$&'()*+,;=:@/-]*$/

/**
 * Checks where a provider wants calls to go, so that the gateway cannot be turned against the
 * network it stands in. What a name resolves to at call time is the network's business (an egress
 * rule there).
 *
 * @returns the address in one form, without a slash at its end
 */
export function checkUpstream(text: string, policy: OutboundPolicy): string {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UpstreamRefused('use an http:// or https:// address')
  requireForm(url)
  const refusal = outboundRefusal(url.hostname, portOf(url), policy)
  if (refusal !== null) throw new UpstreamRefused(refusal)
  return url.href.replace(/\/$/, '')
}

/** Nothing but host, port and a plain path: all that the gateway can hand on unchanged. */
function requireForm(url: URL): void {
  if (url.username || url.password) throw new UpstreamRefused('leave user name and password out')
  // Also a bare `?` or `#`, which the URL's parts do not show.
  if (/[?#]/.test(url.href)) throw new UpstreamRefused('leave query and fragment out')
  const path = url.pathname.replace(/\/$/, '')
  if (!PATH.test(path) || /\/\.{0,2}(\/|$)/.test(path))
    throw new UpstreamRefused('its path may have no empty, dot or encoded parts')
}
