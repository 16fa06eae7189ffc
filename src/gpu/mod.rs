//! Graphs as WGSL compute shaders on wgpu.
