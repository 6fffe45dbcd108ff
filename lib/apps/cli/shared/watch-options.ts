/** Options of commands that are watched (`watch.ts`). */

import { type Command, Option } from 'commander'
import { integer } from './options.js'

/** `--stats`, of every command that embeds. */
export function addStatsOption(command: Command): Command {
  return command.option(
    '--stats <FILE>',
    'Write a record of the run (rates, phases, failures, memory) as JSON.',
  )
}

/** `--metrics-port` and `--metrics-host`, of commands that run for weeks. */
export function addMetricsOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--metrics-port <N>',
        'Give /metrics, /health and /ready on this port. Default: none. [BGE_M3_METRICS_PORT]',
      ).argParser(integer(0, 65_535)),
    )
    .addOption(
      new Option(
        '--metrics-host <HOST>',
        'Address of that port. Default: 127.0.0.1. [BGE_M3_METRICS_HOST]',
      ),
    )
}

/** What commander makes of them. */
export interface WatchFlags {
  stats?: string
  metricsPort?: number
  metricsHost?: string
}
