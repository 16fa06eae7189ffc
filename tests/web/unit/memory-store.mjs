// A store in memory for unit tests: files are arrays of bytes, and any operation can be made to fail.

export function memoryStore() {
  const files = new Map();
  const failures = new Map();
  const may = (operation) => {
    if (failures.has(operation)) throw failures.get(operation);
  };
  return {
    kind: "opfs",
    files,
    /** From now on `operation` throws `error`. */
    fail: (operation, error) => failures.set(operation, error),
    async open(name) {
      may("open");
      if (!files.has(name)) files.set(name, []);
      return {
        pieceBytes: 1,
        get bytes() {
          return files.get(name).length;
        },
        async read(into) {
          may("read");
          const bytes = files.get(name).slice(0, into.length);
          into.set(bytes);
          return bytes.length;
        },
        async append(piece) {
          may("append");
          files.get(name).push(...piece);
        },
        async clear() {
          files.set(name, []);
        },
        close() {},
      };
    },
  };
}
