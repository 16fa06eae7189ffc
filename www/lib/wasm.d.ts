// The glue that wasm-bindgen writes into wasm/ when the package is built.

declare module "*/wasm/tenstep_gpu.js" {
  const init: import("./engine.js").EngineModule["default"];
  export default init;
  export const Engine: import("./engine.js").EngineModule["Engine"];
}

declare module "*/wasm/tenstep_cpu.js" {
  const init: import("./engine.js").EngineModule["default"];
  export default init;
  export const Engine: import("./engine.js").EngineModule["Engine"];
}
