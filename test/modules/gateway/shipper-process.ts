import { createLogger } from '#infra/logger'
import { Shipper, type ShipperOptions } from '../../../src/modules/gateway/shipper'

/** A shipper of its own in a process that a test may kill. */
const options = JSON.parse(process.argv[2] ?? '{}') as Omit<ShipperOptions, 'logger'>
new Shipper({ ...options, logger: createLogger('silent') }).start()
