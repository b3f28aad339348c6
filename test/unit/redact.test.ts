import { describe, expect, test } from 'vitest';
import { redact } from '../../src/process/redact.ts';

describe('what a report shows of a plugin’s output', () => {
  test.each([
    ['password=hunter2 rest', 'password=[redacted] rest'],
    ['{"apiKey": "abc def", "n": 1}', '{"apiKey": [redacted], "n": 1}'],
    ['Authorization: Bearer abc.def', 'Authorization: [redacted]'],
    ['connect postgres://app:s3cret@db/x', 'connect postgres://app:[redacted]@db/x'],
    ['jwt eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2Q', 'jwt [redacted]'],
    ['key AKIAIOSFODNN7EXAMPLE', 'key [redacted]'],
    ['ghp_abcdefghijklmnopqrstuvwxyz0123456789', '[redacted]'],
    ['-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----', '[redacted]'],
  ])('a secret is struck out: %s', (text, clean) => {
    expect(redact(text)).toBe(clean);
  });

  test('what a terminal would obey is spelled out; lines, tabs and letters of any language stay', () => {
    expect(redact('\u001b[31mred\u0007\u0000\tétoile 世界\nnext')).toBe('\\x1b[31mred\\x07\\x00\tétoile 世界\nnext');
  });

  test('words that are no secrets stay as they are', () => {
    const text = 'TypeError: token is not a function\n    at tokenize (lexer.js:3:7)\n  the secretary said: passwords expire';
    expect(redact(text)).toBe(text);
  });
});
