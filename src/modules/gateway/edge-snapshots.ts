import type { Logger } from '#infra/logger'
import { readSnapshot, writeSnapshot } from './edge-snapshot'
import type { EdgeState } from './edge-state'

const EVERY_MS = 60_000

/** Keeps what an edge knows on disk, so that it also starts while Postgres is away. */
export class SnapshotKeeper {
  private savedAt = Number.NEGATIVE_INFINITY
  private saving: Promise<void> | null = null

  /** @param path of the snapshot; its folder must exist */
  constructor(
    private readonly path: string,
    private readonly state: EdgeState,
    private readonly logger: Logger,
  ) {}

  /** Fills the state; null when there is no snapshot that can be used. @returns `since` of `Snapshot` */
  async restore(): Promise<string | null> {
    try {
      const snapshot = await readSnapshot(this.path)
      if (snapshot === null) return null
      this.state.restore(snapshot.image)
      this.logger.warn({ keys: this.state.keyCount }, 'edge.started-from-snapshot')
      return snapshot.since
    } catch (error) {
      this.logger.warn({ path: this.path, reason: String(error) }, 'edge.snapshot-ignored')
      return null
    }
  }

  /** Saves when the last time is a minute ago. A failure is logged: the edge answers all the same. */
  saveIfDue(since: string): void {
    if (this.saving === null && performance.now() - this.savedAt >= EVERY_MS) void this.save(since)
  }

  /** Saves a last time. */
  async stop(since: string): Promise<void> {
    await this.saving
    await this.save(since)
  }

  private save(since: string): Promise<void> {
    this.savedAt = performance.now()
    this.saving = writeSnapshot(this.path, { image: this.state.image(), since })
      .catch((error) =>
        this.logger.warn({ path: this.path, reason: String(error) }, 'edge.snapshot-failed'),
      )
      .finally(() => {
        this.saving = null
      })
    return this.saving
  }
}
