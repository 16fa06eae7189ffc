// The package's entry point for Node: the same names, with node/platform.ts in place of platform.ts.

export * from "../index.js";
