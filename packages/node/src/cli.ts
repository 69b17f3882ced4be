#!/usr/bin/env node
import { Command } from 'commander';

const program = new Command('zmsg-node').description('Launcher and operator’s tool of zmsg.');
program.parse();
