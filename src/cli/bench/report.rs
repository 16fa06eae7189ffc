//! What `tenstep bench` prints.

use serde::Serialize;

use crate::cli::megabytes;
use crate::executor::BackendReport;
use crate::gpu::{Account, Adapter, Class, Memory, Peaks};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub build: Build,
    pub backend: BackendReport,
    /// This and the next four only on a GPU.
    pub adapter: Option<Adapter>,
    pub peaks: Option<Peaks>,
    pub pipelines: Option<Compiled>,
    pub memory: Option<Memory>,
    pub networks: Vec<NetworkReport>,
}

/// This program.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    pub version: &'static str,
    /// `release` or `debug`.
    pub profile: &'static str,
    pub target: String,
    /// Vector instructions that were allowed at compile time; Burn's products choose theirs when they run.
    pub simd: Vec<&'static str>,
    /// Threads of the processor, and those that the CPU backend uses.
    pub processor_threads: usize,
    pub cpu_backend_threads: usize,
}

/// Pipelines, and the time that making them took.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compiled {
    pub count: usize,
    pub millis: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkReport {
    pub name: &'static str,
    pub inputs: Vec<Input>,
    pub parameters: u64,
    /// Operations of one evaluation.
    pub flops: u64,
    /// Reading the parameters, and making the plan: layouts and pipelines.
    pub load_millis: f64,
    pub plan_millis: f64,
    pub times: Times,
    /// By the median evaluation.
    pub gigaflops: f64,
    pub percent_of_peak: Option<f64>,
    pub counted: Option<Counted>,
    /// The longest first: kinds of dispatches, or of operations on the CPU.
    pub groups: Vec<Group>,
}

/// An input of a network.
#[derive(Serialize)]
pub struct Input {
    pub name: String,
    pub shape: Vec<usize>,
}

/// Times of whole evaluations, each submitted alone and waited for, but for `queued_millis`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    pub evaluations: usize,
    pub first_millis: f64,
    pub median_millis: f64,
    pub least_millis: f64,
    /// Until the submission returned: what the host has to do.
    pub submit_millis: f64,
    /// Of several that were submitted without a wait between them, by their number.
    pub queued_millis: f64,
}

/// What does not depend on the machine's mood.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    pub dispatches: usize,
    pub submissions: usize,
    /// Nodes of the graph that are work, and dispatches by their number.
    pub operations: usize,
    pub dispatches_per_operation: f64,
    pub flops: u64,
    pub weight_bytes: u64,
    pub arena_bytes: u64,
    pub value_bytes: u64,
    pub live_bytes: u64,
    pub tensor_bytes: u64,
}

/// Dispatches or operations that are alike, together.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub name: String,
    pub shape: String,
    pub dtype: Option<&'static str>,
    pub count: usize,
    pub millis: f64,
    /// Of the sum of all groups.
    pub share: f64,
    pub flops: u64,
    pub bytes: u64,
    pub gigaflops: f64,
    pub percent_of_fma_peak: Option<f64>,
    pub gigabytes: f64,
    pub percent_of_copy_peak: Option<f64>,
}

impl Build {
    /// The program that runs.
    pub fn this() -> Self {
        let mut simd = Vec::new();
        let allowed = [
            ("sse4.2", cfg!(target_feature = "sse4.2")),
            ("avx2", cfg!(target_feature = "avx2")),
            ("fma", cfg!(target_feature = "fma")),
            ("avx512f", cfg!(target_feature = "avx512f")),
            ("neon", cfg!(target_feature = "neon")),
        ];
        simd.extend(allowed.iter().filter(|(_, allowed)| *allowed).map(|(name, _)| *name));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            simd,
            processor_threads: std::thread::available_parallelism().map_or(1, usize::from),
            cpu_backend_threads: 1,
        }
    }
}

impl Counted {
    /// Of a plan.
    pub fn of(account: &Account) -> Self {
        let dispatches = account.work.len();
        Self {
            dispatches,
            submissions: 1,
            operations: account.operations,
            dispatches_per_operation: dispatches as f64 / account.operations.max(1) as f64,
            flops: account.flops(),
            weight_bytes: account.weight_bytes,
            arena_bytes: account.arena_bytes,
            value_bytes: account.value_bytes,
            live_bytes: account.live_bytes,
            tensor_bytes: account.tensor_bytes,
        }
    }
}

impl Group {
    /// An empty one.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            shape: String::new(),
            dtype: None,
            count: 0,
            millis: 0.0,
            share: 0.0,
            flops: 0,
            bytes: 0,
            gigaflops: 0.0,
            percent_of_fma_peak: None,
            gigabytes: 0.0,
            percent_of_copy_peak: None,
        }
    }

    /// An empty one for a kind of dispatch.
    pub fn of_class(class: &Class) -> Self {
        Self { shape: class.shape.clone(), dtype: class.dtype, ..Self::named(&class.kernel) }
    }

    /// Adds what `count` of them took and did.
    pub fn add(&mut self, count: usize, millis: f64, flops: u64, bytes: u64) {
        self.count += count;
        self.millis += millis;
        self.flops += flops;
        self.bytes += bytes;
        // Operations a millisecond, in millions, are thousands of millions a second.
        self.gigaflops = self.flops as f64 / self.millis.max(1e-9) / 1e6;
        self.gigabytes = self.bytes as f64 / self.millis.max(1e-9) / 1e6;
    }

    /// The longest first, with their shares of the sum.
    pub fn by_time(mut groups: Vec<Self>) -> Vec<Self> {
        let total: f64 = groups.iter().map(|group| group.millis).sum();
        groups.iter_mut().for_each(|group| group.share = group.millis / total.max(1e-9));
        groups.sort_by(|a, b| b.millis.total_cmp(&a.millis));
        groups
    }
}

impl NetworkReport {
    /// Says how near the network and its groups come to what the device can do at best.
    pub fn compare_with(&mut self, peaks: &Peaks) {
        self.percent_of_peak = Some(100.0 * self.gigaflops / peaks.gigaflops);
        for group in &mut self.groups {
            group.percent_of_fma_peak = Some(100.0 * group.gigaflops / peaks.gigaflops);
            group.percent_of_copy_peak = Some(100.0 * group.gigabytes / peaks.gigabytes);
        }
    }

    fn lines(&self) -> Vec<String> {
        let inputs: Vec<String> =
            self.inputs.iter().map(|Input { name, shape }| format!("{name} {shape:?}")).collect();
        let Times { evaluations, first_millis, median_millis, least_millis, submit_millis, queued_millis } =
            &self.times;
        let of_peak =
            self.percent_of_peak.map_or(String::new(), |percent| format!(", {percent:.1} % of the peak"));
        let mut lines = vec![
            String::new(),
            format!("{}: {}", self.name, inputs.join(", ")),
            format!(
                "  evaluation    {median_millis:.3} ms (least {least_millis:.3}, first {first_millis:.3}, queued {queued_millis:.3}, \
                 handing over {submit_millis:.3}; {evaluations} evaluations)"
            ),
            format!(
                "  work          {:.3} GFLOP at {:.1} GFLOP/s{of_peak}",
                self.flops as f64 / 1e9,
                self.gigaflops
            ),
            format!(
                "  start         {:.0} ms to load {} parameters, {:.0} ms to plan",
                self.load_millis, self.parameters, self.plan_millis
            ),
        ];
        if let Some(counted) = &self.counted {
            lines.push(format!(
                "  dispatches    {} for {} operations ({:.0} %), {} submission",
                counted.dispatches,
                counted.operations,
                100.0 * counted.dispatches_per_operation,
                counted.submissions,
            ));
            lines.push(format!(
                "  memory        weights {}, arena {} (alive at once {}, all values {}), inputs and outputs {}",
                megabytes(counted.weight_bytes),
                megabytes(counted.arena_bytes),
                megabytes(counted.live_bytes),
                megabytes(counted.value_bytes),
                megabytes(counted.tensor_bytes),
            ));
        }
        let sum: f64 = self.groups.iter().map(|group| group.millis).sum();
        lines.push(format!("  by kind       {sum:.3} ms in all"));
        lines.extend(table(&self.groups));
        lines
    }
}

fn table(groups: &[Group]) -> Vec<String> {
    let with_peaks = groups.iter().any(|group| group.percent_of_fma_peak.is_some());
    let label = |group: &Group| match group.dtype {
        Some(dtype) => format!("{} {dtype}", group.name),
        None => group.name.clone(),
    };
    let cells = |group: &Group| {
        let percent = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.1}"));
        let mut cells = vec![
            label(group),
            group.shape.clone(),
            group.count.to_string(),
            format!("{:.3}", group.millis),
            format!("{:.1}", 100.0 * group.share),
            format!("{:.1}", group.gigaflops),
        ];
        if with_peaks {
            cells.extend([
                percent(group.percent_of_fma_peak),
                format!("{:.1}", group.gigabytes),
                percent(group.percent_of_copy_peak),
            ]);
        }
        cells
    };
    let mut headings = vec!["kind", "shape", "count", "ms", "%", "GFLOP/s"];
    if with_peaks {
        headings.extend(["% of peak", "GB/s", "% of peak"]);
    }
    let mut rows = vec![headings.into_iter().map(str::to_owned).collect::<Vec<String>>()];
    rows.extend(groups.iter().map(cells));
    aligned(&rows)
}

/// Columns as wide as their widest cell: the first two to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        format!("    {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

impl Report {
    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let Build { version, profile, target, simd, processor_threads, .. } = &self.build;
        let simd =
            if simd.is_empty() { "no vector instructions asked for".to_owned() } else { simd.join(" ") };
        let mut lines =
            vec![format!("tenstep {version}, {profile}, {target} ({simd}), {processor_threads} threads")];
        match &self.adapter {
            Some(adapter) => {
                lines.push(format!("{}, {} ({})", adapter.name, adapter.api, adapter.driver));
                if adapter.software {
                    lines.push(
                        "This adapter is software on the processor: its times say nothing of a GPU."
                            .to_owned(),
                    );
                }
                lines.push(format!(
                    "  limits        bindings {}, buffers {}, {} B of workgroup memory, {} threads a workgroup",
                    megabytes(adapter.max_binding_bytes),
                    megabytes(adapter.max_buffer_bytes),
                    adapter.max_workgroup_memory_bytes,
                    adapter.max_workgroup_threads,
                ));
            }
            None => lines.push(format!("the processor ({}), one thread", self.backend.device)),
        }
        if let Some(peaks) = &self.peaks {
            lines.push(format!(
                "  peaks         {:.1} GFLOP/s of multiply-adds, {:.1} GB/s of copies; {:.3} ms for an empty submission",
                peaks.gigaflops, peaks.gigabytes, peaks.empty_millis
            ));
        }
        if let Some(Compiled { count, millis }) = &self.pipelines {
            lines.push(format!("  pipelines     {count}, compiled in {millis:.0} ms"));
        }
        if let Some(memory) = &self.memory {
            let reserved = memory
                .reserved_bytes
                .map_or(String::new(), |bytes| format!(", {} set aside by the driver", megabytes(bytes)));
            lines.push(format!(
                "  memory        {} in buffers, {} at the most{reserved}",
                megabytes(memory.held_bytes),
                megabytes(memory.most_bytes),
            ));
        }
        lines.extend(self.networks.iter().flat_map(NetworkReport::lines));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_by_time_with_rates_and_shares() {
        let mut short = Group::named("short");
        short.add(1, 1.0, 2_000_000, 1_000_000);
        short.add(1, 1.0, 2_000_000, 3_000_000);
        let mut long = Group::named("long");
        long.add(3, 6.0, 0, 0);
        let groups = Group::by_time(vec![short, long]);
        assert_eq!((groups[0].name.as_str(), groups[0].share), ("long", 0.75));
        assert_eq!((groups[1].count, groups[1].gigaflops, groups[1].gigabytes), (2, 2.0, 2.0));
    }

    #[test]
    fn tables_are_aligned() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let lines = aligned(&[row(["kind", "shape", "count"]), row(["conv2d f16", "", "7"])]);
        assert_eq!(lines, ["    kind        shape  count", "    conv2d f16             7"]);
    }
}
