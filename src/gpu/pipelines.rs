//! Shaders compiled and bound. Pipelines are kept for the life of the device, whatever plan asked first.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::buffer::{ALIGNMENT, GpuBuffer};
use super::device::Device;
use super::kernels::{Binding, Dispatch, Variant};
use crate::error::Result;

/// Storage buffers of a stage that every WebGPU device offers; uniform buffers count apart.
const MAX_BINDINGS: usize = 8;

/// Part of a buffer, as a shader sees it.
#[derive(Clone)]
pub struct Range {
    pub buffer: Rc<GpuBuffer>,
    pub offset: u64,
    pub bytes: u64,
}

impl Range {
    /// All of a buffer.
    pub fn all(buffer: &Rc<GpuBuffer>) -> Self {
        Self { buffer: buffer.clone(), offset: 0, bytes: buffer.bytes() }
    }
}

/// A dispatch ready to be encoded.
pub struct Bound {
    pub pipeline: wgpu::ComputePipeline,
    pub group: wgpu::BindGroup,
    pub workgroups: [u32; 3],
}

/// Of a bind group, and of a pipeline with it.
type Layout = (wgpu::BindGroupLayout, wgpu::PipelineLayout);

/// Layouts, pipelines, and what stands in for absent bindings.
pub struct Pipelines {
    /// By number of storage bindings, and which are only read. Those of values are all read_write: WebGPU refuses a buffer that one
    /// dispatch binds both ways, even on ranges that do not meet, and values share the arena's buffers.
    layouts: RefCell<HashMap<(usize, u32), Layout>>,
    ready: RefCell<HashMap<Variant, wgpu::ComputePipeline>>,
    /// For bindings that may be written, and for those that are only read.
    absent: [Rc<GpuBuffer>; 2],
    /// Milliseconds that making pipelines took so far.
    #[cfg(feature = "native")]
    compiling: std::cell::Cell<f64>,
}

impl Pipelines {
    /// No pipelines yet.
    pub fn new(device: &Device) -> Result<Self> {
        // A range for each binding: two writable bindings must not overlap.
        let absent = || GpuBuffer::new(device, "absent", MAX_BINDINGS as u64 * ALIGNMENT).map(Rc::new);
        Ok(Self {
            layouts: RefCell::default(),
            ready: RefCell::default(),
            absent: [absent()?, absent()?],
            #[cfg(feature = "native")]
            compiling: std::cell::Cell::default(),
        })
    }

    /// Compiles what is missing of `variants`: in parallel, off the thread that asks, where the platform can.
    /// Each comes with its number of storage bindings.
    pub async fn prepare(&self, device: &Device, variants: &[(Variant, usize)]) -> Result<()> {
        let mut missing: Vec<(Variant, usize)> = Vec::new();
        for variant in variants {
            if !self.ready.borrow().contains_key(&variant.0) && !missing.contains(variant) {
                missing.push(variant.clone());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        #[cfg(feature = "native")]
        let started = crate::host::now_millis();
        let modules: Vec<wgpu::ShaderModule> =
            missing.iter().map(|(variant, _)| module(device.raw(), variant)).collect();
        let create = |index: usize| {
            let (variant, bindings) = &missing[index];
            self.create(device.raw(), variant, *bindings, &modules[index])
        };
        #[cfg(all(target_arch = "wasm32", feature = "web"))]
        let made = super::browser::create_pipelines(device.raw(), missing.len(), create).await?;
        #[cfg(not(all(target_arch = "wasm32", feature = "web")))]
        let made: Vec<wgpu::ComputePipeline> = (0..missing.len()).map(create).collect();
        #[cfg(feature = "native")]
        self.compiling.set(self.compiling.get() + crate::host::now_millis() - started);
        device.check()?;
        let variants = missing.into_iter().map(|(variant, _)| variant);
        self.ready.borrow_mut().extend(variants.zip(made));
        Ok(())
    }

    fn create(
        &self,
        device: &wgpu::Device,
        variant: &Variant,
        bindings: usize,
        module: &wgpu::ShaderModule,
    ) -> wgpu::ComputePipeline {
        let constants: Vec<(&str, f64)> =
            variant.overrides.iter().map(|(name, value)| (*name, f64::from(*value))).collect();
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&format!("{:?}", variant.kernel)),
            layout: Some(&self.layout(device, bindings, variant.read_only).1),
            module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    }

    fn layout(&self, device: &wgpu::Device, bindings: usize, read_only: u32) -> Layout {
        let mut layouts = self.layouts.borrow_mut();
        layouts.entry((bindings, read_only)).or_insert_with(|| layout(device, bindings, read_only)).clone()
    }

    /// Milliseconds that making pipelines took so far.
    #[cfg(feature = "native")]
    pub fn compiling_millis(&self) -> f64 {
        self.compiling.get()
    }

    /// How many pipelines there are: a second size of a plan must not add any.
    pub fn count(&self) -> usize {
        self.ready.borrow().len()
    }

    /// The name and the WGSL of each shader, by name.
    #[cfg(feature = "native")]
    pub fn shaders(&self) -> Vec<(String, String)> {
        let ready = self.ready.borrow();
        let shaders = ready.keys().map(|variant| (variant.name(), variant.wgsl()));
        shaders.collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
    }

    /// Binds a dispatch whose pipeline is ready: its parameters, and a range of memory for each storage binding.
    pub fn bind(
        &self,
        device: &Device,
        dispatch: &Dispatch,
        params: &Range,
        ranges: &[Option<Range>],
    ) -> Bound {
        let group = self.group(device, params, ranges, dispatch.variant.read_only);
        let pipeline = self.ready.borrow()[&dispatch.variant].clone();
        Bound { pipeline, group, workgroups: dispatch.workgroups }
    }

    /// Binds a dispatch of no plan, which works on buffers of its own only.
    pub fn bind_buffers(&self, device: &Device, dispatch: &Dispatch, params: &Range) -> Bound {
        let range = |binding: &Binding| match binding {
            Binding::Buffer(buffer) => Some(Range::all(buffer)),
            Binding::Absent => None,
            Binding::Value(_) | Binding::Scratch(_) | Binding::Part { .. } => {
                unreachable!("values belong to a plan")
            }
        };
        let ranges: Vec<Option<Range>> = dispatch.bindings.iter().map(range).collect();
        self.bind(device, dispatch, params, &ranges)
    }

    /// A bind group: parameters at 0, ranges from 1 on, of which `read_only` has a bit each; `None` stands for a binding that the shader
    /// does not read.
    pub fn group(
        &self,
        device: &Device,
        params: &Range,
        ranges: &[Option<Range>],
        read_only: u32,
    ) -> wgpu::BindGroup {
        let mut filled: Vec<Range> = vec![params.clone()];
        for (index, range) in ranges.iter().enumerate() {
            let absent = || Range {
                buffer: self.absent[(read_only >> (index + 1) & 1) as usize].clone(),
                offset: index as u64 * ALIGNMENT,
                bytes: ALIGNMENT,
            };
            filled.push(range.clone().unwrap_or_else(absent));
        }
        let entries: Vec<wgpu::BindGroupEntry<'_>> = filled
            .iter()
            .enumerate()
            .map(|(index, range)| wgpu::BindGroupEntry {
                binding: index as u32,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: range.buffer.raw(),
                    offset: range.offset,
                    size: wgpu::BufferSize::new(range.bytes),
                }),
            })
            .collect();
        device.raw().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout(device.raw(), ranges.len(), read_only).0,
            entries: &entries,
        })
    }

    /// The pipeline of a variant that was prepared.
    pub fn get(&self, variant: &Variant) -> wgpu::ComputePipeline {
        self.ready.borrow()[variant].clone()
    }

    /// Runs dispatches once, in order, in a submission of their own. They bind only buffers of their own, and their
    /// pipelines are ready.
    pub fn run_once(&self, device: &Device, dispatches: &[Dispatch]) -> Result<()> {
        let params = ParamsBuffer::new(device, dispatches)?;
        let bound: Vec<Bound> = dispatches
            .iter()
            .enumerate()
            .map(|(index, dispatch)| self.bind_buffers(device, dispatch, &params.range(index)))
            .collect();
        let mut encoder = device.encoder();
        encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), &bound);
        device.submit(vec![encoder.finish()]);
        Ok(())
    }
}

/// Encodes dispatches, switching pipelines only where they change: in a browser each call crosses into JavaScript.
pub fn encode<'a>(pass: &mut wgpu::ComputePass<'_>, dispatches: impl IntoIterator<Item = &'a Bound>) {
    let mut current = None;
    for Bound { pipeline, group, workgroups: [x, y, z] } in dispatches {
        if current != Some(pipeline) {
            pass.set_pipeline(pipeline);
            current = Some(pipeline);
        }
        pass.set_bind_group(0, group, &[]);
        pass.dispatch_workgroups(*x, *y, *z);
    }
}

/// The parameters of a list of dispatches, written once.
pub struct ParamsBuffer(Rc<GpuBuffer>);

impl ParamsBuffer {
    /// Writes the parameters of `dispatches`.
    pub fn new(device: &Device, dispatches: &[Dispatch]) -> Result<Self> {
        let words = (ALIGNMENT / 4) as usize;
        let mut contents = vec![0u32; words * dispatches.len().max(1)];
        for (slot, dispatch) in contents.chunks_mut(words).zip(dispatches) {
            slot[..dispatch.params.len()].copy_from_slice(&dispatch.params);
        }
        let bytes: &[u8] = bytemuck::cast_slice(&contents);
        device.require_binding("parameters", bytes.len() as u64)?;
        let usage = wgpu::BufferUsages::UNIFORM;
        let buffer = GpuBuffer::with_usage(device, "parameters", bytes.len() as u64, usage);
        device.queue().write_buffer(buffer.raw(), 0, bytes);
        Ok(Self(Rc::new(buffer)))
    }

    /// The parameters of dispatch `index`.
    pub fn range(&self, index: usize) -> Range {
        Range { buffer: self.0.clone(), offset: index as u64 * ALIGNMENT, bytes: ALIGNMENT }
    }
}

fn module(device: &wgpu::Device, variant: &Variant) -> wgpu::ShaderModule {
    device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(&format!("{:?}", variant.kernel)),
        source: wgpu::ShaderSource::Wgsl(variant.wgsl().into()),
    })
}

fn layout(device: &wgpu::Device, count: usize, read_only: u32) -> Layout {
    let entry = |binding: u32| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: match binding {
                0 => wgpu::BufferBindingType::Uniform,
                _ => wgpu::BufferBindingType::Storage { read_only: read_only >> binding & 1 == 1 },
            },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..=count as u32).map(entry).collect();
    let group =
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
    let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&group)],
        immediate_size: 0,
    });
    (group, pipeline)
}
