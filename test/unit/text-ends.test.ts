import { expect, test } from 'vitest';
import { TextEnds } from '../../src/protocol/text-ends.ts';

const payload = 'x'.repeat(10_000);
const outlineOf = (text: string, pieceBytes = 64): unknown => {
  const bytes = Buffer.from(text);
  const ends = new TextEnds();
  for (let at = 0; at < bytes.length; at += pieceBytes) ends.add(bytes.subarray(at, at + pieceBytes));
  return ends.outline();
};

test.each([
  ['at the beginning', `{"jsonrpc":"2.0","id":7,"result":"${payload}"}`],
  ['at the beginning, with blanks', `{ "jsonrpc" : "2.0", "id": 7, "result": "${payload}" }`],
  ['before the version', `{"id":7,"jsonrpc":"2.0","result":"${payload}"}`],
  ['at the end', `{"jsonrpc":"2.0","result":"${payload}","id":7}`],
  ['at the end, with blanks', `{"jsonrpc":"2.0","result":"${payload}", "id" : 7 }\n`],
])('the id of an answer is found %s, however the text is cut', (_, text) => {
  for (const pieceBytes of [1, 7, 300, 100_000]) expect(outlineOf(text, pieceBytes)).toEqual({ id: 7 });
});

test('the method of a notification is found at the beginning', () => {
  expect(outlineOf(`{"jsonrpc":"2.0","method":"$/log","params":"${payload}"}`)).toEqual({ method: '$/log' });
});

test.each([
  ['of a value inside the result', `{"jsonrpc":"2.0","result":{"id":7},"x":"${payload}","y":{"id":7}}`],
  ['in a string', `{"jsonrpc":"2.0","result":"${payload},\\"id\\":7}"}`],
  ['as a key with another beginning', `{"jsonrpc":"2.0","result":"${payload}","a,\\"id":7}`],
  ['in the middle', `{"jsonrpc":"2.0","result":"${payload}","id":7,"more":"${payload}"}`],
])('an id %s is not taken for the id of the message', (_, text) => {
  expect(outlineOf(text)).toBeNull();
});
