import { type NodeVerification, verifyNode } from '@zmsg/core/verify';
import { type Command, Option } from 'commander';
import { printableJson } from './printable.js';
import { verificationLines } from './verification-lines.js';

interface Flags {
  postgres?: string;
  config?: string;
  ledger?: string;
  json?: boolean;
}

const HELP = `
Changes nothing, and may be run while the node is: the figures are then those of one moment. With the embedded
PostgreSQL the node must not be running. What is pending (in the log, not yet in PostgreSQL) is not wrong.

A ledger is a table in which an application counts what zmsg acknowledged (docs/verify.md):
  CREATE TABLE zm_ledger (table_name text, column_name text, key_column text, key text,
    acknowledged numeric NOT NULL, attempted numeric, PRIMARY KEY (table_name, column_name, key_column, key))
Each row must hold: acknowledged <= value + pending in the log + dead letters <= attempted.

Exit code 0: nothing is wrong. 1: something is missing, double, damaged or could not be compared.`;

/** Adds `zmsg-node verify [DIR]`. */
export function addVerify(program: Command): void {
  program
    .command('verify')
    .description('hold log, progress marks and a ledger against PostgreSQL: what is missing, what is double?')
    .argument('[DIR]', 'data directory; without it that of --config or of the environment')
    .addOption(new Option('--postgres <DSN>', 'database; wins over ZMSG_POSTGRES_DSN').conflicts('config'))
    .option('--config <FILE>', 'YAML file of the engine')
    .option('--ledger <TABLE>', 'table that says what was acknowledged')
    .option('--json', 'machine-readable')
    .addHelpText('after', HELP)
    .action(async (dataDir: string | undefined, { postgres, config, ledger, json }: Flags) => {
      const env = postgres === undefined ? process.env : { ...process.env, ZMSG_POSTGRES_DSN: postgres };
      const found: NodeVerification = await verifyNode({ dataDir, config, env, ledger });
      const text = json === true ? JSON.stringify(found, undefined, 2) : verificationLines(found).join('\n');
      console.log(printableJson(text));
      if (!found.isOk) process.exitCode = 1;
    });
}
