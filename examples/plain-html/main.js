import { defineTenstepImage } from "./tenstep/element/index.js";

defineTenstepImage();
