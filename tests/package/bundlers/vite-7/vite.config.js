// Vite 7 and older look for a worker beside their own copy of the package, and bundle workers in a format without chunks.
export default {
  optimizeDeps: { exclude: ["tenstep"] },
  worker: { format: "es" },
};
