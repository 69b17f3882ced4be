import { migrateDatabase } from '@zmsg/core/migrate';
import { type Command, Option } from 'commander';

interface MigrateFlags {
  postgres?: string;
  config?: string;
}

/** Adds `zmsg-node migrate [DIR]`. One line per applied migration on stdout; exit code 1 on any error. */
export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description('create the engine’s tables, and apply the NNN_name.sql files of DIR')
    .argument('[DIR]', 'directory of migrations; without it the engine’s own tables only')
    .addOption(new Option('--postgres <DSN>', 'database; wins over ZMSG_POSTGRES_DSN').conflicts('config'))
    .addOption(new Option('--config <FILE>', 'YAML file of the engine'))
    .addHelpText(
      'after',
      '\nWithout an option the environment (ZMSG_POSTGRES_DSN) names the database, else it is the embedded one.',
    )
    .action(async (dir: string | undefined, flags: MigrateFlags) => {
      const { ZMSG_POSTGRES_DSN, ...env } = process.env;
      const applied = await migrateDatabase({
        config: flags.postgres === undefined ? flags.config : { postgresDsn: flags.postgres },
        env: flags.postgres === undefined ? { ...env, ZMSG_POSTGRES_DSN } : env,
        dir,
        onApplied: ({ name, durationMs }) => console.log(`applied ${name} (${Math.round(durationMs)} ms)`),
      });
      if (applied.length === 0) console.log('nothing to apply');
    });
}
