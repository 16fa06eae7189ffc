// The React entry point, `tenstep/react`.

export { useTenstep } from "./use-tenstep.js";
export type { TenstepState } from "./use-tenstep.js";
export type { SharedOptions } from "../shared/share.js";
