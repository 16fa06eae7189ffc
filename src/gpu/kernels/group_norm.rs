//! Group normalisation: in one dispatch where a group is small, else in two, statistics of slices and then the map; see
//! group_norm.wgsl and group_norm_stats.wgsl.

use std::ops::Range;

use super::epilogue::{Added, Epilogue};
use super::sum_parts::Unsummed;
use super::unit::Unit;
use super::{Binding, Dispatch, Kernel, Source, Variant, activation_code, reduce};
use crate::graph::Activation;

/// Extents: `x [B, P, C]` with `C` in `groups` groups.
#[derive(Debug, Clone, Copy)]
pub struct GroupNormShape {
    pub batch: usize,
    pub pixels: usize,
    pub channels: usize,
    pub groups: usize,
    pub eps: f32,
}

/// Elements of a slice that are worth a workgroup.
const SLICE_ELEMENTS: usize = 4096;
/// Threads of a workgroup for many units of a group, and for few.
const LANES: [usize; 2] = [256, 64];
/// Units that a thread holds of a group: the fewest of these that are enough, as the last is for any slice of several pixels.
const HELD: [usize; 3] = [4, 8, 16];
/// Groups of all samples that fill a large device four at a time.
const MANY_GROUPS: usize = 512;
/// Of a processor in disguise: units of a group that are worth no workgroup of their own.
const FEW_UNITS: usize = 256;
/// A workgroup of the second dispatch reads the statistics of all slices.
const MAX_SLICES: usize = 64;

impl GroupNormShape {
    /// Of a value `[B, …, C]`.
    pub fn of(shape: &[usize], groups: usize, eps: f64) -> Self {
        let (batch, channels) = (shape[0], shape[shape.len() - 1]);
        let pixels = shape[1..shape.len() - 1].iter().product();
        Self { batch, pixels, channels, groups, eps: eps as f32 }
    }

    /// Into how many slices the pixels of a group are cut, and the pixels of one.
    pub fn slices(&self) -> (usize, usize) {
        let elements = self.pixels * (self.channels / self.groups);
        let wanted = elements.div_ceil(SLICE_ELEMENTS).min(MAX_SLICES).min(self.pixels);
        let pixels = self.pixels.div_ceil(wanted);
        (self.pixels.div_ceil(pixels), pixels)
    }

    /// What a thread takes at once of a tensor of whose channels `first` come from a first source.
    fn unit(&self, first: usize) -> Unit {
        Unit::of([self.channels / self.groups, first])
    }

    /// The extents and where `run` begins, as both shaders want them.
    fn params(&self, run: &Run, unit: Unit) -> Vec<u32> {
        let (slices, slice_pixels) = self.slices();
        let first_group = run.samples.start * self.groups;
        let places =
            [slices, slice_pixels, run.slices.start, first_group, run.first_element / unit.channels()];
        let extents = [self.pixels, self.channels / unit.channels(), self.groups];
        extents.into_iter().chain(places).map(|value| value as u32).collect()
    }

    /// Units of a group.
    fn units(&self, unit: Unit) -> usize {
        self.pixels * self.channels / self.groups / unit.channels()
    }

    /// Groups that share a workgroup: four where each has little to do for a whole one.
    fn lines(&self, unit: Unit) -> usize {
        let groups = self.batch * self.groups;
        if self.units(unit) <= FEW_UNITS && groups.is_multiple_of(4) { 4 } else { 1 }
    }

    /// Whether threads can hold a group, which is one slice, in their registers, of a tensor of whose channels `first` come from a first
    /// source. A pixel alone is a slice, however wide its groups are.
    pub fn can_be_held(&self, first: usize) -> bool {
        self.held(self.unit(first)).is_some()
    }

    /// The threads that do, the groups that share a workgroup of them, and the units that each holds. Memory comes 32 bytes at a time: where
    /// there are groups enough, four narrower ones that lie side by side are read together.
    fn held(&self, unit: Unit) -> Option<[usize; 3]> {
        let units = self.units(unit);
        let [many, few] = LANES;
        let (groups, is_narrow) = (self.batch * self.groups, self.channels / self.groups < 8);
        let shared = is_narrow && groups.is_multiple_of(4) && groups >= MANY_GROUPS && units <= HELD[2] * few;
        let (lanes, lines) = match () {
            () if shared => (few, 4),
            () if units > HELD[0] * few => (many, 1),
            () => (few, 1),
        };
        let held = HELD.into_iter().find(|held| held * lanes >= units)?;
        Some([lanes, lines, held])
    }

    fn workgroups(&self, run: &Run, lines: usize) -> [u32; 3] {
        [run.slices.len() as u32, (run.samples.len() * self.groups / lines) as u32, 1]
    }

    /// Bytes of the statistics between the two dispatches.
    pub fn stats_bytes(&self) -> u64 {
        8 * (self.batch * self.groups * self.slices().0) as u64
    }
}

/// Some slices of some samples, and the element at which the bindings of `x` and `y` begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub samples: Range<usize>,
    pub slices: Range<usize>,
    pub first_element: usize,
}

impl Run {
    /// The elements of `x` or `y` that the run is about.
    pub fn show(&self, shape: &GroupNormShape, whole: &Binding) -> Binding {
        let (slices, slice_pixels) = shape.slices();
        if self.samples.len() == shape.batch && self.slices.len() == slices {
            return whole.clone();
        }
        let pixels =
            (self.samples.end - 1) * shape.pixels + (self.slices.end * slice_pixels).min(shape.pixels);
        whole.part(self.first_element..pixels * shape.channels)
    }
}

fn holding(variant: Variant, [lanes, lines, held]: [usize; 3]) -> Variant {
    reduce::sized(variant, lanes, lines).switch("HELD", true).size("UNITS_HELD", held as u32)
}

/// The one dispatch for tensors whose groups are one slice each. With many threads, each group is read once by threads enough to hold it.
pub fn dispatch(
    shape: &GroupNormShape,
    many_threads: bool,
    activation: Option<Activation>,
    source: Source,
    [gamma, beta, y]: [Binding; 3],
) -> Dispatch {
    let run = Run { samples: 0..shape.batch, slices: 0..1, first_element: 0 };
    let channels = source.second.as_ref().map_or(shape.channels, |(_, channels)| *channels);
    let unit = shape.unit(channels);
    let mut params = shape.params(&run, unit);
    params.extend([shape.eps.to_bits(), (channels / unit.channels()) as u32]);
    let mut bindings = vec![source.x, gamma, beta, y];
    let variant = Variant::of(Kernel::GroupNorm)
        .switch("TWO_SOURCES", source.second.is_some())
        .switch(unit.switch(), true)
        .constant("ACTIVATION", activation_code(activation));
    let (variant, lines) = match (shape.held(unit).filter(|_| many_threads), shape.lines(unit)) {
        (Some(held), _) => (holding(variant, held), held[1]),
        (None, lines) => (reduce::sized(variant, LANES[1] / lines, lines), lines),
    };
    bindings.extend(source.second.map(|(second, _)| second));
    Dispatch { variant, bindings, params, workgroups: shape.workgroups(&run, lines) }
}

/// What a norm makes its first source of, which nobody has made.
pub struct FirstOfParts {
    pub unsummed: Unsummed,
    /// Where it is written, if others read it.
    pub kept: Option<Binding>,
    pub channels: usize,
}

/// Whether the epilogue is one that [`dispatch_of_parts`] can do: at most one of its rows and residuals, and nothing that is not linear.
pub fn can_finish(epilogue: &Epilogue) -> bool {
    let in_units = |Added { row, .. }: &Added| [row.first, row.stride].iter().all(|at| at.is_multiple_of(4));
    epilogue.activation.is_none()
        && epilogue.last.is_none()
        && !(epilogue.added.is_some() && epilogue.residual.is_some())
        && epilogue.added.as_ref().is_none_or(in_units)
}

/// The same as [`dispatch`], where the first source, of whole units of four channels, is still in parts, as it may be with many threads
/// if they can hold its groups.
pub fn dispatch_of_parts(
    shape: &GroupNormShape,
    activation: Option<Activation>,
    first: FirstOfParts,
    second: Option<Binding>,
    [gamma, beta, y]: [Binding; 3],
) -> Dispatch {
    let FirstOfParts { unsummed: Unsummed { parts, epilogue }, kept, channels } = first;
    let run = Run { samples: 0..shape.batch, slices: 0..1, first_element: 0 };
    let unit = shape.unit(channels);
    let units = |elements: usize| (elements / unit.channels()) as u32;
    let [added_rows, added_first, added_stride] = epilogue.added_params();
    let mut params = shape.params(&run, unit);
    params.extend([shape.eps.to_bits(), units(channels), parts.count as u32]);
    params.extend([units(shape.batch * shape.pixels * channels), epilogue.terms()]);
    params.extend([added_rows, units(added_first as usize), units(added_stride as usize)]);
    let or_absent = |binding: Option<Binding>| binding.unwrap_or(Binding::Absent);
    let [bias, added, residual] = epilogue.bindings();
    let variant = Variant::of(Kernel::GroupNorm)
        .switch("PARTS", true)
        .switch("KEPT", kept.is_some())
        .switch("TWO_SOURCES", second.is_some())
        .switch(unit.switch(), true)
        .constant("ACTIVATION", activation_code(activation));
    let held = shape.held(unit).expect("whoever leaves sums in parts asks whether they can be held");
    let (variant, lines) = (holding(variant, held), held[1]);
    let term = if epilogue.residual.is_some() { residual } else { added };
    let bindings = vec![or_absent(kept), gamma, beta, y, or_absent(second), parts.binding, bias, term];
    Dispatch { variant, bindings, params, workgroups: shape.workgroups(&run, lines) }
}

/// The two dispatches for `run`; every run's first comes before any run's second. `stats` has room for
/// [`GroupNormShape::stats_bytes`].
pub fn sliced_dispatches(
    shape: &GroupNormShape,
    run: &Run,
    activation: Option<Activation>,
    [x, gamma, beta, y, stats]: [Binding; 5],
) -> [Dispatch; 2] {
    let unit = shape.unit(shape.channels);
    let params = shape.params(run, unit);
    let mut with_eps = params.clone();
    with_eps.extend([shape.eps.to_bits(), (shape.channels / unit.channels()) as u32]);
    let workgroups = shape.workgroups(run, 1);
    [
        Dispatch {
            variant: reduce::sized(Variant::of(Kernel::GroupNormStats), LANES[1], 1)
                .switch(unit.switch(), true),
            bindings: vec![x.clone(), stats.clone()],
            params,
            workgroups,
        },
        Dispatch {
            variant: reduce::sized(Variant::of(Kernel::GroupNorm), LANES[1], 1)
                .switch("SLICED", true)
                .switch(unit.switch(), true)
                .constant("ACTIVATION", activation_code(activation)),
            bindings: vec![x, gamma, beta, y, stats],
            params: with_eps,
            workgroups,
        },
    ]
}

/// The twin, without activation.
pub fn plain(shape: &GroupNormShape, x: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<f32> {
    let GroupNormShape { pixels, channels, groups, .. } = *shape;
    let (width, (slices, slice_pixels)) = (channels / groups, shape.slices());
    let mut y = vec![0.0; x.len()];
    for sample in 0..shape.batch {
        for group in 0..groups {
            let range = |slice: usize| slice * slice_pixels..((slice + 1) * slice_pixels).min(pixels);
            let members = |slice: usize| {
                range(slice).flat_map(move |pixel| {
                    let base = (sample * pixels + pixel) * channels + group * width;
                    base..base + width
                })
            };
            let (mut mean, mut squares, mut merged) = (0.0f32, 0.0f32, 0.0f32);
            for slice in 0..slices {
                let count = (range(slice).len() * width) as f32;
                let part = members(slice).map(|at| x[at]).sum::<f32>() / count;
                let difference = part - mean;
                let total = merged + count;
                mean += difference * (count / total);
                squares += members(slice).map(|at| (x[at] - part).powi(2)).sum::<f32>()
                    + difference * difference * (merged * count / total);
                merged = total;
            }
            let scale = 1.0 / (squares / merged + shape.eps).sqrt();
            for at in (0..slices).flat_map(members) {
                y[at] = (x[at] - mean) * scale * gamma[at % channels] + beta[at % channels];
            }
        }
    }
    y
}
