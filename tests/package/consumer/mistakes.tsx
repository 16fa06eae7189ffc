// Three mistakes that the types must find, one a line.
import { Tenstep, type GenerateOptions } from "tenstep";
import { useTenstep } from "tenstep/react";

export const tenstep = await Tenstep.load({ manifest: "/manifest.json", backend: "webgl" });
export const options: GenerateOptions = { steps: "ten" };
export const useNothing = () => useTenstep({});
