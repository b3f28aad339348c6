/** A registry of the test's own on 127.0.0.1: packages are published by a function call, and every request is noted. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { type Member, tar } from './archives.ts';

/** Fields of a lockfile's entry for a published package. */
export interface Locked {
  version: string;
  resolved: string;
  integrity: string;
}

interface Package {
  name: string;
  versions: Record<string, object>;
}

export class Registry {
  /** Paths that were asked for, in order. */
  readonly requests: string[] = [];
  readonly #packages = new Map<string, Package>();
  readonly #tarballs = new Map<string, Buffer>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', ({ url = '' }, response) => {
      this.requests.push(url);
      const path = decodeURIComponent(url);
      const body = this.#tarballs.get(path) ?? this.#packument(path);
      response.statusCode = body === null ? 404 : 200;
      response.end(body ?? '{}');
    });
  }

  static async open(): Promise<Registry> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Registry(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Publishes `name@version`. `manifest` overrides fields of the package.json in its archive; `files` come along. */
  publish(name: string, version: string, manifest: object = {}, files: readonly Member[] = []): Locked {
    const json = { name, version, main: 'index.js', ...manifest };
    const archive = gzipSync(
      tar([
        { path: 'package/package.json', body: JSON.stringify(json) },
        { path: 'package/index.js', body: `module.exports = ${JSON.stringify(`${name}@${version}`)};\n` },
        ...files,
      ]),
    );
    const path = `/${name}/-/${name.replace(/^@[^/]*\//, '')}-${version}.tgz`;
    const locked = { resolved: `${this.url}${path}`, integrity: `sha512-${createHash('sha512').update(archive).digest('base64')}` };
    this.#tarballs.set(path, archive);
    const known = this.#packages.get(name) ?? { name, versions: {} };
    known.versions[version] = { ...json, name, version, dist: { tarball: locked.resolved, integrity: locked.integrity } };
    this.#packages.set(name, known);
    return { version, ...locked };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #packument(path: string): string | null {
    const known = this.#packages.get(path.slice(1));
    if (known === undefined) return null;
    return JSON.stringify({ ...known, 'dist-tags': { latest: Object.keys(known.versions).at(-1) } });
  }
}
