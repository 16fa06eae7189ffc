//! Networks timed on an executor.

use std::collections::BTreeMap;
use std::time::Instant;

use pollster::block_on;

use super::networks::Network;
use super::report::{Compiled, Counted, Group, NetworkReport, Times};
use crate::burn::Cpu;
use crate::error::Result;
use crate::executor::{Command, Executor};
use crate::gpu::{Account, Adapter, Gpu, Memory, Peaks, Plan};

/// How long to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Evaluations of each network; `None` for as many as fit [`MILLIS`].
    pub evaluations: Option<u32>,
}

/// How long a network is evaluated again and again.
const MILLIS: f64 = 2000.0;
/// Fewest and most evaluations within that time.
const EVALUATIONS: [usize; 2] = [3, 100];
/// Evaluations that are handed over together, to see what a device does when it need not wait.
const TOGETHER: usize = 8;

/// What a GPU is and holds, once the networks are on it.
pub struct Device {
    pub adapter: Adapter,
    pub memory: Memory,
    pub pipelines: Compiled,
}

/// Networks on a GPU: every network first, so that the memory is theirs alone, then the device's peaks.
pub fn on_gpu(
    gpu: &Gpu,
    networks: &[Network],
    effort: Effort,
) -> Result<(Vec<NetworkReport>, Device, Peaks)> {
    let empty_millis = gpu.time_nothing()?;
    let mut reports = Vec::new();
    // Plans are kept, as an engine keeps them.
    let mut plans = Vec::new();
    for network in networks {
        eprintln!("{}", network.name);
        let (plan, mut report) = measured(gpu, network, effort)?;
        report.groups = groups_of_plan(gpu, &plan, empty_millis)?;
        report.counted = Some(Counted::of(plan.account()));
        plans.push(plan);
        reports.push(report);
    }
    let memory = gpu.memory();
    let pipelines = Compiled { count: gpu.pipeline_count(), millis: gpu.compiling_millis() };
    eprintln!("peaks");
    let peaks = block_on(gpu.peaks())?;
    reports.iter_mut().for_each(|report| report.compare_with(&peaks));
    Ok((reports, Device { adapter: gpu.adapter(), memory, pipelines }, peaks))
}

/// Networks on the CPU.
pub fn on_cpu(cpu: &Cpu, networks: &[Network], effort: Effort) -> Result<Vec<NetworkReport>> {
    let on_cpu = |network: &Network| {
        eprintln!("{}", network.name);
        let (plan, mut report) = measured(cpu, network, effort)?;
        let mut groups: BTreeMap<&'static str, Group> = BTreeMap::new();
        for (value, millis) in plan.evaluate_timed() {
            let node = network.graph.node(value);
            if Network::is_work(&node.op) {
                let group = groups.entry(node.op.name()).or_insert_with(|| Group::named(node.op.name()));
                group.add(1, millis, network.graph.flops(node), 0);
            }
        }
        report.groups = Group::by_time(groups.into_values().collect());
        Ok(report)
    };
    networks.iter().map(on_cpu).collect()
}

/// Loads, plans and evaluates a network.
fn measured<E: Executor>(
    executor: &E,
    network: &Network,
    effort: Effort,
) -> Result<(E::Plan, NetworkReport)> {
    let started = Instant::now();
    let weights = network.weights(executor)?;
    block_on(executor.settle(0))?;
    let load_millis = millis_since(started);
    let started = Instant::now();
    let plan = block_on(executor.plan(&network.graph, &weights))?;
    block_on(executor.settle(0))?;
    let plan_millis = millis_since(started);
    network.write_inputs(executor, &plan)?;
    let times = evaluations(executor, &plan, effort)?;
    let cost = network.graph.cost();
    let report = NetworkReport {
        name: network.name,
        inputs: network.inputs(),
        parameters: cost.parameters,
        flops: cost.flops,
        load_millis,
        plan_millis,
        gigaflops: cost.flops as f64 / times.median_millis / 1e6,
        percent_of_peak: None,
        times,
        counted: None,
        groups: Vec::new(),
    };
    Ok((plan, report))
}

fn evaluations<E: Executor>(executor: &E, plan: &E::Plan, effort: Effort) -> Result<Times> {
    let once = || -> Result<[f64; 2]> {
        let started = Instant::now();
        executor.submit(&[Command::Evaluate(plan)])?;
        let submitted = millis_since(started);
        block_on(executor.settle(0))?;
        Ok([millis_since(started), submitted])
    };
    // The first one warms up.
    let [first_millis, _] = once()?;
    let (least, most) = match effort.evaluations {
        Some(count) => (count as usize, count as usize),
        None => (EVALUATIONS[0], EVALUATIONS[1]),
    };
    let started = Instant::now();
    let (mut whole, mut submitting) = (Vec::new(), Vec::new());
    while whole.len() < least || (whole.len() < most && millis_since(started) < MILLIS) {
        let [millis, submitted] = once()?;
        whole.push(millis);
        submitting.push(submitted);
    }
    let together = TOGETHER.min(whole.len());
    let started = Instant::now();
    for _ in 0..together {
        executor.submit(&[Command::Evaluate(plan)])?;
    }
    block_on(executor.settle(0))?;
    let queued_millis = millis_since(started) / together as f64;
    Ok(Times {
        evaluations: whole.len(),
        first_millis,
        median_millis: median(&mut whole),
        // Sorted by now.
        least_millis: whole[0],
        submit_millis: median(&mut submitting),
        queued_millis,
    })
}

fn groups_of_plan(gpu: &Gpu, plan: &Plan, empty_millis: f64) -> Result<Vec<Group>> {
    let account: &Account = plan.account();
    let group = |(class, places): (&crate::gpu::Class, Vec<usize>)| {
        let millis = gpu.time_dispatches(plan, &places, empty_millis)?;
        let sum =
            |of: fn(&crate::gpu::Work) -> u64| places.iter().map(|&place| of(&account.work[place])).sum();
        let mut group = Group::of_class(class);
        group.add(places.len(), millis, sum(|work| work.flops), sum(|work| work.bytes));
        Ok(group)
    };
    Ok(Group::by_time(account.classes().into_iter().map(group).collect::<Result<_>>()?))
}

fn millis_since(moment: Instant) -> f64 {
    moment.elapsed().as_secs_f64() * 1e3
}

/// Of values, which it sorts.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { 0.5 * (values[middle - 1] + values[middle]) }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
