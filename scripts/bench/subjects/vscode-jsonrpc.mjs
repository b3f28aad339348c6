/** The stock reader, writer and connection at both ends of stdin and stdout. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';

export async function open() {
  const worker = fileURLToPath(new URL('../workers/vscode-jsonrpc.mjs', import.meta.url));
  const child = spawn(process.execPath, [worker], { stdio: ['pipe', 'pipe', 'inherit'] });
  const connection = createMessageConnection(new StreamMessageReader(child.stdout), new StreamMessageWriter(child.stdin));
  connection.listen();
  const close = async () => {
    connection.dispose();
    child.kill();
    await once(child, 'exit');
  };
  return { call: (text) => connection.sendRequest('echo', text), close };
}
