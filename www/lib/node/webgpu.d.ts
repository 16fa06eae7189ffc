// The npm package "webgpu", an optional peer: only what is used of it.

declare module "webgpu" {
  export const globals: Record<string, unknown>;
  export function create(options: string[]): GPU;
}
