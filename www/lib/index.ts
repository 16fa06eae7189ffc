// The package's public face. Everything else in this folder is private.

export { Tenstep } from "./tenstep.js";
export { Run } from "./run.js";
export { TenstepError } from "./errors.js";
export type { TenstepErrorCode } from "./errors.js";
export type {
  Backend,
  BackendReport,
  GenerateOptions,
  Interruption,
  LoadOptions,
  LoadProgress,
  ModelInfo,
  Picture,
  PictureOptions,
  ResumeOptions,
  RunState,
  SavedRun,
  SolverOptions,
  StartOptions,
  StepReport,
  Timings,
  WhenBusy,
} from "./options.js";
