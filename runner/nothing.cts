/** A CommonJS module for `warm.ts` to import: what it takes to load one is loaded with it. */
module.exports = {};
