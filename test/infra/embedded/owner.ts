// Starts one server, reports it on standard output, and waits to be killed: the stand-in for a Veil that dies.
import { startCaddy } from '../../../src/infra/embedded/caddy-process'
import { startPostgres } from '../../../src/infra/embedded/postgres'

const [kind, options = '{}'] = process.argv.slice(2)
const started =
  kind === 'postgres'
    ? await startPostgres(JSON.parse(options))
    : await startCaddy(JSON.parse(options))
console.log(JSON.stringify(started))
