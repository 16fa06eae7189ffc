import type { PictureOptions } from "tenstep";

/** All that a picture of the first page depends on. */
export type Settings = Required<Omit<PictureOptions, "width" | "height">>;

/** What of it both pages ask for. */
export type CommonSettings = Pick<Settings, "prompt" | "style" | "schedule" | "guidanceScale" | "seed">;
