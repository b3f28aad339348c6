/** Node's own channel with nothing around it but a table of what was asked: no limit, no deadline, nobody who notices a crash. */
import { fork } from 'node:child_process';
import { once } from 'node:events';

export const open = () => openFork({});

export async function openFork(options) {
  const child = fork(new URL('../workers/fork.cjs', import.meta.url), options);
  const asked = new Map();
  let last = 0;
  child.on('message', ({ id, text }) => {
    const answer = asked.get(id);
    asked.delete(id);
    answer(text);
  });
  const call = (text) =>
    new Promise((resolve) => {
      const id = ++last;
      asked.set(id, resolve);
      child.send({ id, text });
    });
  const close = async () => {
    child.disconnect();
    await once(child, 'exit');
  };
  return { call, close };
}
