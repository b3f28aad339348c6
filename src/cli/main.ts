#!/usr/bin/env node
/** The command `chameleon-supervisor`. Sets the exit code and lets the process end by itself, so that no output is cut off. */
// eslint-disable-next-line import/no-unassigned-import -- it acts when it is loaded, before all others are
import './debugger.ts';
import { run } from './program.ts';
import { onReaderGone } from './terminal.ts';

onReaderGone(false);
process.exitCode = await run(process.argv.slice(2));
