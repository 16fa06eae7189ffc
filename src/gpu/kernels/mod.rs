//! Kernels: each a shader `x.wgsl` beside `x.rs`, which knows the shader's geometry (parameters, bindings, number
//! of workgroups) and holds its *plain twin*: the same loop in plain Rust, for readers and for tests.
//!
//! A kernel's functions turn shapes and [`Binding`]s into [`Dispatch`]es, which are data: `plan` resolves them to
//! buffers, pipelines and bind groups.

pub mod attention;
mod bare;
pub mod binary;
pub mod combine;
pub mod conv2d;
pub mod copy_columns;
pub mod embedding;
pub mod epilogue;
pub mod geglu;
pub mod group_norm;
pub mod layer_norm;
pub mod linear;
#[cfg(feature = "native")]
pub mod peak_copy;
#[cfg(feature = "native")]
pub mod peak_fma;
pub mod reduce;
pub mod repack;
#[cfg(feature = "native")]
pub mod subgroup_order;
pub mod sum_parts;
pub mod threshold;
pub mod timestep_embedding;
pub mod unary;
pub mod unit;
pub mod unpack;
pub mod upsample;
pub mod winograd;

use std::ops::Range;
use std::rc::Rc;

use super::buffer::GpuBuffer;
use crate::graph::{Activation, Value};
use crate::weights::DType;
use bare::bare;

/// A shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    Attention,
    Binary,
    Combine,
    Conv2d,
    CopyColumns,
    Embedding,
    Geglu,
    GroupNorm,
    GroupNormStats,
    LayerNorm,
    Linear,
    #[cfg(feature = "native")]
    PeakCopy,
    #[cfg(feature = "native")]
    PeakFma,
    Repack,
    #[cfg(feature = "native")]
    SubgroupOrder,
    SumParts,
    Threshold,
    TimestepEmbedding,
    Unary,
    Unpack,
    Upsample,
    WinogradOutput,
    WinogradWeights,
}

impl Kernel {
    /// The WGSL files that make the shader, in order, bare.
    pub fn source(self) -> &'static [&'static str] {
        match self {
            Self::Attention => &[bare!("attention.wgsl")],
            Self::Binary => &[bare!("binary.wgsl"), bare!("activation.wgsl")],
            Self::Combine => &[bare!("combine.wgsl"), bare!("reduce.wgsl")],
            Self::Conv2d => &[
                bare!("conv2d.wgsl"),
                bare!("conv2d_source.wgsl"),
                bare!("conv2d_tiles.wgsl"),
                bare!("weight.wgsl"),
                bare!("epilogue.wgsl"),
                bare!("activation.wgsl"),
            ],
            Self::CopyColumns => &[bare!("copy_columns.wgsl")],
            Self::Embedding => &[bare!("embedding.wgsl"), bare!("stored.wgsl")],
            Self::Geglu => &[bare!("geglu.wgsl"), bare!("activation.wgsl")],
            Self::GroupNorm => &[
                bare!("group_norm.wgsl"),
                bare!("unit.wgsl"),
                bare!("walk.wgsl"),
                bare!("reduce.wgsl"),
                bare!("activation.wgsl"),
            ],
            Self::GroupNormStats => &[
                bare!("group_norm_stats.wgsl"),
                bare!("unit.wgsl"),
                bare!("walk.wgsl"),
                bare!("reduce.wgsl"),
                bare!("activation.wgsl"),
            ],
            Self::LayerNorm => &[
                bare!("layer_norm.wgsl"),
                bare!("unit.wgsl"),
                bare!("reduce.wgsl"),
                bare!("activation.wgsl"),
            ],
            Self::Linear => &[
                bare!("linear.wgsl"),
                bare!("weight.wgsl"),
                bare!("epilogue.wgsl"),
                bare!("activation.wgsl"),
            ],
            #[cfg(feature = "native")]
            Self::PeakCopy => &[bare!("peak_copy.wgsl")],
            #[cfg(feature = "native")]
            Self::PeakFma => &[bare!("peak_fma.wgsl")],
            Self::Repack => &[bare!("repack.wgsl"), bare!("stored.wgsl")],
            #[cfg(feature = "native")]
            Self::SubgroupOrder => &[bare!("subgroup_order.wgsl")],
            Self::SumParts => &[bare!("sum_parts.wgsl"), bare!("epilogue.wgsl"), bare!("activation.wgsl")],
            Self::Threshold => &[bare!("threshold.wgsl")],
            Self::TimestepEmbedding => &[bare!("timestep_embedding.wgsl")],
            Self::Unary => &[bare!("unary.wgsl"), bare!("activation.wgsl")],
            Self::Unpack => &[bare!("unpack.wgsl"), bare!("stored.wgsl")],
            Self::Upsample => &[bare!("upsample.wgsl")],
            Self::WinogradOutput => {
                &[bare!("winograd_output.wgsl"), bare!("epilogue.wgsl"), bare!("activation.wgsl")]
            }
            Self::WinogradWeights => &[bare!("winograd_weights.wgsl"), bare!("stored.wgsl")],
        }
    }

    /// The bindings of weights, which nothing in a plan writes unless they are computed there.
    fn weights(self) -> &'static [u32] {
        match self {
            Self::Conv2d | Self::Linear | Self::SumParts | Self::WinogradOutput => &[2, 3, 4],
            Self::GroupNorm | Self::LayerNorm => &[2, 3],
            _ => &[],
        }
    }
}

/// The switch by which a shader computes in f16, which its text has to announce.
pub const IN_F16: &str = "IN_F16";

/// A shader made special: what a pipeline is cached by. None of it depends on the size of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Variant {
    pub kernel: Kernel,
    /// Names for which `#if NAME` holds in the WGSL.
    pub switches: Vec<&'static str>,
    /// `const` declarations put before the WGSL, for what sizes an array: an override constant may not size one
    /// of a function, and naga 30 panics on a workgroup's sized by an expression of them.
    pub sizes: Vec<(&'static str, u32)>,
    /// Values of `override` constants.
    pub overrides: Vec<(&'static str, u32)>,
    /// Storage bindings that are only read, one bit each: bit n is binding n.
    pub read_only: u32,
}

impl Variant {
    /// The shader as it stands.
    pub fn of(kernel: Kernel) -> Self {
        Self { kernel, switches: Vec::new(), sizes: Vec::new(), overrides: Vec::new(), read_only: 0 }
    }

    /// Turns a switch on if `condition` holds.
    pub fn switch(mut self, name: &'static str, condition: bool) -> Self {
        if condition {
            self.switches.push(name);
        }
        self
    }

    /// Sets an override constant.
    pub fn constant(mut self, name: &'static str, value: u32) -> Self {
        self.overrides.push((name, value));
        self
    }

    fn has(&self, switch: &str) -> bool {
        self.switches.contains(&switch)
    }

    /// The value of the size of that name.
    fn size_of(&self, name: &str) -> Option<u32> {
        self.sizes.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    /// Declares a constant that sizes an array.
    pub fn size(mut self, name: &'static str, value: u32) -> Self {
        self.sizes.push((name, value));
        self
    }

    /// The form for a device with many threads, or for a processor in disguise. The former's loops do UNROLLED turns in one: loads of the
    /// next turn are not begun in this one, and some platforms guard each turn. The latter would only take longer to compile them.
    pub fn suited(self, many_threads: bool) -> Self {
        self.switch("MANY_THREADS", many_threads).size("UNROLLED", if many_threads { 4 } else { 1 })
    }

    /// Whether a storage binding is only read.
    pub fn reads_only(&self, binding: u32) -> bool {
        self.read_only >> binding & 1 == 1
    }

    /// Turns on the switch of a storage type.
    pub fn dtype(self, dtype: DType) -> Self {
        let name = match dtype {
            DType::F32 => "F32",
            DType::F16 => "F16",
            DType::Int8 => "INT8",
            DType::Int4 => "INT4",
        };
        self.switch(name, true)
    }

    /// The kernel, its switches and its sizes: `Conv2d-CHANNELS4-TAPS-COLUMNS8`.
    #[cfg(feature = "native")]
    pub fn name(&self) -> String {
        let switches = self.switches.iter().map(|name| format!("-{name}"));
        let sizes = self.sizes.iter().map(|(name, value)| format!("-{name}{value}"));
        format!("{:?}", self.kernel) + &switches.chain(sizes).collect::<String>()
    }

    /// The WGSL text with its switches (lines of `#if NAME`, `#else` and `#endif`) resolved and its loops unrolled: between `#for x N`
    /// and `#end`, `$x` stands for 0 to N - 1 in turn. N is a number or a size.
    pub fn wgsl(&self) -> String {
        let mut text = String::new();
        if self.has(IN_F16) {
            text.push_str("enable f16;\n");
        }
        for (name, value) in &self.sizes {
            text.push_str(&format!("const {name} = {value}u;\n"));
        }
        for file in self.kernel.source() {
            text.push_str(&self.unrolled(&mut self.switched(file).into_iter()));
        }
        for binding in (1..u32::BITS).filter(|binding| self.reads_only(*binding)) {
            let declared = |access| format!("@group(0)@binding({binding})var<storage,{access}>");
            text = text.replace(&declared("read_write"), &declared("read"));
        }
        text
    }

    /// Lines up to the end of the loop that they are in, or to the last, their loops unrolled.
    fn unrolled<'a>(&self, lines: &mut impl Iterator<Item = &'a str>) -> String {
        let mut text = String::new();
        while let Some(line) = lines.next().filter(|line| *line != "#end") {
            let Some((variable, count)) = line.strip_prefix("#for ").and_then(|rest| rest.split_once(' '))
            else {
                text.push_str(line);
                text.push('\n');
                continue;
            };
            let (body, placeholder) = (self.unrolled(&mut *lines), format!("${variable}"));
            for i in 0..self.count(count) {
                text.push_str(&body.replace(&placeholder, &i.to_string()));
            }
        }
        text
    }

    /// The lines of which the switches approve.
    fn switched<'a>(&self, file: &'a str) -> Vec<&'a str> {
        // What each `#if` around a line decides.
        let mut kept = Vec::new();
        let mut lines = Vec::new();
        for line in file.lines() {
            if let Some(name) = line.strip_prefix("#if ") {
                kept.push(self.has(name));
            } else if line == "#else" {
                kept.iter_mut().rev().take(1).for_each(|innermost| *innermost = !*innermost);
            } else if line == "#endif" {
                kept.pop();
            } else if !kept.contains(&false) {
                lines.push(line);
            }
        }
        lines
    }

    /// A number, or the size of that name.
    fn count(&self, of: &str) -> u32 {
        self.size_of(of).or_else(|| of.parse().ok()).expect("a number or a size")
    }
}

/// What stands at one binding of a dispatch.
#[derive(Debug, Clone)]
pub enum Binding {
    /// A value of the graph, in the plan's memory.
    Value(Value),
    /// Memory that only this step uses.
    Scratch(usize),
    /// A buffer of its own: a parameter, or a table of constants.
    Buffer(Rc<GpuBuffer>),
    /// Nothing: the shader does not look at it.
    Absent,
    /// Bytes of one of the others, from a multiple of 256 on: a tensor larger than a binding is shown a run of rows at a time.
    Part { whole: Box<Binding>, offset: u64, bytes: u64 },
}

impl Binding {
    /// Elements `range` of this memory; it must begin at a multiple of [`ALIGNED`].
    pub fn part(&self, range: Range<usize>) -> Self {
        assert!(range.start.is_multiple_of(ALIGNED), "a part begins at an aligned element");
        let (offset, bytes) = (4 * range.start as u64, 4 * range.len() as u64);
        Self::Part { whole: Box::new(self.clone()), offset, bytes }
    }

    /// What this is, or is a part of.
    pub fn whole(&self) -> &Self {
        match self {
            Self::Part { whole, .. } => whole,
            other => other,
        }
    }
}

/// Rows that are `stride` elements apart in memory; what is meant of each begins at element `first`.
#[derive(Debug, Clone)]
pub struct Strided {
    pub binding: Binding,
    pub first: usize,
    pub stride: usize,
}

/// What a kernel reads: one tensor, or two that stand side by side along their channels.
#[derive(Debug, Clone)]
pub struct Source {
    pub x: Binding,
    /// The second, and the channels of `x` before it.
    pub second: Option<(Binding, usize)>,
}

/// One use of a shader.
#[derive(Debug, Clone)]
pub struct Dispatch {
    pub variant: Variant,
    /// Storage bindings 1, 2, …; binding 0 holds `params`.
    pub bindings: Vec<Binding>,
    /// The shader's uniform `Params`, in words.
    pub params: Vec<u32>,
    pub workgroups: [u32; 3],
}

impl Dispatch {
    /// The same where weights that a model comes with are only read. A device waits for what was written before, and for nothing else.
    pub fn of_a_plan(mut self) -> Self {
        let fixed = |binding: &u32| {
            let bound = self.bindings.get(*binding as usize - 1).map(Binding::whole);
            matches!(bound, Some(Binding::Buffer(_) | Binding::Absent))
        };
        let weights = self.variant.kernel.weights().iter().filter(|binding| fixed(binding));
        self.variant.read_only = weights.map(|binding| 1 << binding).sum();
        self
    }
}

/// Rows of f32 that take a multiple of 256 bytes, whatever their width.
pub const ALIGNED: usize = 64;

/// Threads of a workgroup of the kernels that map a thread to an element.
pub const THREADS: usize = 64;

/// The most workgroups along one axis (WebGPU's `maxComputeWorkgroupsPerDimension`).
pub const MAX_WORKGROUPS: usize = 65535;

/// Enough workgroups for `count` of them, in rows of at most [`MAX_WORKGROUPS`]: the shader finds its index as
/// `y · rows + x`.
pub fn folded(count: usize) -> [u32; 3] {
    let x = count.clamp(1, MAX_WORKGROUPS);
    [x as u32, count.div_ceil(x) as u32, 1]
}

/// Workgroups for one thread an element.
pub fn per_element(count: usize) -> [u32; 3] {
    folded(count.div_ceil(THREADS))
}

/// The number by which activation.wgsl knows an activation; 0 is none.
pub fn activation_code(activation: Option<Activation>) -> u32 {
    match activation {
        None => 0,
        Some(Activation::Silu) => 1,
        Some(Activation::Gelu) => 2,
        Some(Activation::GeluTanh) => 3,
        Some(Activation::QuickGelu) => 4,
        Some(Activation::Relu) => 5,
        Some(Activation::Tanh) => 6,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Binding, DType, Dispatch, Kernel, Variant};

    /// The weights of a product, which a model comes with or which are computed.
    fn product(weights: Binding) -> Dispatch {
        let bindings = vec![Binding::Scratch(0), weights, Binding::Absent, Binding::Absent];
        let variant = Variant::of(Kernel::Linear).dtype(DType::F32).switch("OUTPUTS4", true).suited(true);
        Dispatch { variant, bindings, params: Vec::new(), workgroups: [1; 3] }.of_a_plan()
    }

    #[test]
    fn weights_are_only_read_unless_they_are_computed() {
        let declared = |dispatch: &Dispatch, name: &str| {
            let text = dispatch.variant.wgsl();
            let line = text.lines().find(|line| line.contains(&format!(">{name}:"))).map(str::to_owned);
            line.expect("the shader has it")
        };
        let given = product(Binding::Absent);
        assert!(declared(&given, "weights").contains("<storage,read>"));
        assert!(declared(&given, "bias").contains("<storage,read>"));
        for name in ["x", "y", "residual"] {
            assert!(declared(&given, name).contains("<storage,read_write>"), "{name}");
        }
        let part = Binding::Scratch(1).part(0..64);
        for computed in [product(Binding::Scratch(1)), product(part)] {
            assert!(declared(&computed, "weights").contains("<storage,read_write>"));
        }
    }

    /// WGSL zeroes a variable without one wherever it is declared, but Firefox 153 (gfx-rs/wgpu#9489) and Chromium 156 zero
    /// it once a function: in a loop the values of the last round stay.
    #[test]
    fn every_variable_of_a_function_has_an_initial_value() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gpu/kernels");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).expect("the folder of the kernels") {
            let path = entry.expect("a file").path();
            if path.extension().is_some_and(|extension| extension == "wgsl") {
                let text = std::fs::read_to_string(&path).expect("a shader");
                for line in text.lines().map(str::trim).filter(|line| line.starts_with("var ")) {
                    assert!(line.contains('='), "{}: {line}", path.display());
                    seen += 1;
                }
            }
        }
        assert!(seen > 0);
    }
}
