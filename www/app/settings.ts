import type { PictureOptions } from "tenstep";

/** What both pages ask for. */
export type CommonSettings = Required<Pick<PictureOptions, "prompt" | "style" | "schedule" | "guidanceScale" | "seed">>;

/** All that a picture of the first page depends on. */
export type Settings = CommonSettings & Required<Pick<PictureOptions, "negativePrompt" | "steps" | "solver">>;
