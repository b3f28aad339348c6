/** Versions of packages that exclude each other, each pair in one supervisor. */
import { entry, type Entry, type Pair } from './entry.ts';

type Side = [version: string, answer: unknown];

function pair(name: string, [one, other]: [Side, Side], lines: string, body: string): Pair {
  const side = ([version, answer]: Side, index: number): Entry => entry('pair', `${name}-${index}`, { [name]: version }, lines, body, answer);
  return { name, plugins: [side(one, 1), side(other, 2)] };
}

export const pairs: Pair[] = [
  pair(
    'lodash',
    [
      ['3.10.1', '3.10.1'],
      ['4.17.21', '4.17.21'],
    ],
    "import _ from 'lodash';",
    'return _.VERSION;',
  ),
  pair(
    'semver',
    [
      ['5.7.2', false],
      ['7.7.2', true],
    ],
    "import semver from 'semver';",
    "return typeof semver.subset === 'function';",
  ),
  pair(
    'zod',
    [
      ['3.25.76', false],
      ['4.1.11', true],
    ],
    "import * as zod from 'zod';",
    "return typeof zod.z.toJSONSchema === 'function';",
  ),
  pair(
    'express',
    [
      ['4.21.2', true],
      ['5.1.0', false],
    ],
    "import express from 'express';",
    "return typeof express().del === 'function';",
  ),
  pair(
    'chalk',
    [
      ['4.1.2', true],
      ['5.6.2', false],
    ],
    "import chalk from 'chalk';",
    "return typeof chalk.keyword === 'function';",
  ),
  pair(
    'ajv',
    [
      ['6.12.6', true],
      ['8.17.1', false],
    ],
    "import Ajv from 'ajv';",
    "return '_opts' in new (Ajv.default ?? Ajv)();",
  ),
  pair(
    'commander',
    [
      ['8.3.0', false],
      ['14.0.1', true],
    ],
    "import { Command } from 'commander';",
    "return typeof Command.prototype.helpGroup === 'function';",
  ),
  pair(
    'date-fns',
    [
      ['2.30.0', false],
      ['4.1.0', true],
    ],
    "import * as fns from 'date-fns';",
    "return typeof fns.constructNow === 'function';",
  ),
  pair(
    'uuid',
    [
      ['8.3.2', false],
      ['11.1.0', true],
    ],
    "import * as uuid from 'uuid';",
    "return typeof uuid.v7 === 'function';",
  ),
  pair(
    'sharp',
    [
      ['0.33.5', '0.33.5'],
      ['0.34.5', '0.34.5'],
    ],
    "import sharp from 'sharp';",
    'return sharp.versions.sharp;',
  ),
];
