// The figures as lines to read.

export function deviceLines({ processor, cores, browser, adapter, build, peers }) {
  const named = adapter ? [adapter.vendor, adapter.architecture, adapter.description].filter(Boolean).join(" ") : "no WebGPU adapter";
  const flags = ({ simd, threads, opt_level, wasm_opt }) => `SIMD ${simd ? "on" : "off"}, threads ${threads}, opt-level ${opt_level}, wasm-opt ${wasm_opt}`;
  return [
    `${processor}, ${cores} cores; ${browser}; ${named}${adapter?.isFallbackAdapter ? " (a fallback adapter)" : ""}`,
    `profile wasm: CPU module ${flags(build.cpu)}; GPU module ${flags(build.gpu)}`,
    `peers: ${peers.join(", ") || "none installed"}`,
  ];
}

export function comparisonLines({ network, backend, peer, gflop, arithmetic, pairs, ours, theirs, ratio, processor_ratio, relative_difference, agrees }) {
  const time = ({ median_ms, least_ms, processor_ms }) => `${millis(median_ms)} (least ${millis(least_ms)}, of processor time ${millis(processor_ms)})`;
  const rate = `${(gflop / (ours.median_ms / 1000)).toFixed(1)} GFLOP/s`;
  const lines = [`${network} ${backend}${peer ? ` beside ${peer}` : ""}: ${gflop.toFixed(2)} GFLOP in ${arithmetic}, ${pairs} pairs`, `  ours    ${time(ours)}, ${rate}, page busy ${millis(ours.page_busy_ms)}${callsText(ours)}`];
  if (!theirs) return lines;
  return [
    ...lines,
    `  theirs  ${time(theirs)}, ${theirs.mode}${callsText(theirs)}`,
    `  ratio   ${ratio.toFixed(3)}, of processor time ${processor_ratio.toFixed(3)}; the outputs differ by ${relative_difference.toExponential(1)}${agrees ? "" : ": TOO MUCH"}`,
  ];
}

export function pictureLines(backend, figures) {
  const { cold_start_to_picture_ms, second_visit_ready_ms, second_visit_to_picture_ms, second_visit, one_thread, code_brotli_bytes, model_bytes } = figures;
  const parts = Object.entries(second_visit).map(([part, value]) => `${part.replace("_ms", "")} ${millis(value)}`);
  return [
    `picture ${backend}: ${pictureText(figures)}`,
    ...(one_thread ? [`  on one thread ${pictureText(one_thread)}`] : []),
    `  first visit to the picture ${millis(cold_start_to_picture_ms)}; second visit until the engine is ready ${millis(second_visit_ready_ms)} (${parts.join(", ")}), to the picture ${millis(second_visit_to_picture_ms)}`,
    `  page, package and engine ${Math.round(code_brotli_bytes / 1000)} kB brotli; model ${(model_bytes / 1e6).toFixed(2)} MB`,
  ];
}

function pictureText({ pictures, picture_ms, text_ms, steps, steps_ms, decode_ms }) {
  return `${millis(picture_ms)}, median of ${pictures}: text ${millis(text_ms)}, ${steps} steps ${millis(steps_ms)}, decode ${millis(decode_ms)}`;
}

function callsText({ dispatches, submits, wasm_to_js_calls }) {
  if (dispatches === undefined) return "";
  const calls = wasm_to_js_calls === undefined ? "" : `, ${wasm_to_js_calls} calls from wasm to JavaScript`;
  return `; ${dispatches} dispatches, ${submits} submits${calls}`;
}

function millis(value) {
  return `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}
