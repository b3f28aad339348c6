/** Keys as numbers: which share of the traffic they are in, and which of several takes them. Not for secrets. */

/** FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
export function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * How much the key of this hash wants this node. It goes to the one that it wants most (rendezvous hashing): where a node leaves, only
 * its own keys move. The finalizer of MurmurHash3.
 */
export function weightOf(hash: number, node: number): number {
  let mixed = hash ^ Math.imul(node + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
