import type { Command } from 'commander'
import type { Cli } from './shared/cli.js'
export function infoCommand(_parent: Command, _cli: Cli): void {}
