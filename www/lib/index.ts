// The package's public face. Everything else in this folder is private.

export { Tenstep } from "./tenstep.js";
export { capabilities } from "./capabilities.js";
export { Run } from "./run.js";
export { storage } from "./storage.js";
export type { StorageSize, StoredModel } from "./storage.js";
export { TenstepError } from "./errors.js";
export type { TenstepErrorCode } from "./errors.js";
export type {
  Arithmetic,
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
  StorageReport,
  Timings,
  WhenBusy,
} from "./options.js";
export type { AdapterReport, Capabilities, CapabilitiesOptions, ModelNeeds, Speed, TimeEstimate } from "./survey/report.js";
