// `npm run demo`: the whole story against a running Veil, or one of its own. Exit code 0 only if every step held.
import { findInstance, type Instance, startInstance } from './demo/instance.ts'
import { Narrator } from './demo/narrator.ts'
import { tellStory } from './demo/story.ts'
import { startUpstream } from './demo/upstream.ts'

async function reachInstance(narrator: Narrator, until: AbortSignal): Promise<Instance> {
  const found = await findInstance()
  if (found) {
    narrator.say(`Veil at ${found.url} is running: the story is told there.`)
    return found
  }
  narrator.say('No Veil is running: starting one for the demo, with ports and data of its own.')
  return startInstance((message) => narrator.say(`  ${message} …`), until)
}

async function main(): Promise<number> {
  const narrator = new Narrator()
  const interruption = new AbortController()
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => {
        interruption.abort()
        reject(new Error(`Interrupted by ${signal}.`))
      })
  })
  interrupted.catch(() => undefined)
  const upstream = startUpstream()
  let instance: Instance | null = null
  try {
    instance = await reachInstance(narrator, interruption.signal)
    const { url, adminPassword } = instance
    await Promise.race([tellStory({ url, upstream, narrator, adminPassword }), interrupted])
    narrator.done()
    if (!instance.isOwn) narrator.say(`Look around: ${instance.url}/swagger`)
    return 0
  } catch (error) {
    narrator.failed(error)
    return 1
  } finally {
    upstream.stop()
    await instance?.stop()
  }
}

process.exit(await main())
