#!/usr/bin/env node
/**
 * Starts the command. It stands outside of dist/, so that npm finds it in a clone that was not built yet, and says what to do there.
 */
import { existsSync } from 'node:fs';

const main = new URL('../dist/src/cli/main.js', import.meta.url);

if (existsSync(main)) await import(main.href);
else {
  console.error('error: chameleon-supervisor is not built yet\n  build it: npm ci && npm run build');
  process.exitCode = 2;
}
