//! `tenstep generate`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use pollster::block_on;

use super::backend::{On, Task, run_on};
use super::{named_fields, print};
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::options::{Field, GenerateOptions, ListedLevels, MAX_SEED};
use crate::pipeline::{self, Model};

/// Options that are left out have the model's defaults; `tenstep inspect` shows them.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to draw; empty means anything
    prompt: String,
    /// The PNG file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// A converted model's manifest.json
    #[arg(long, value_name = "FILE", default_value = "www/models/default/manifest.json")]
    model: PathBuf,
    #[command(flatten)]
    on: On,
    /// What to steer away from
    #[arg(long, value_name = "TEXT")]
    negative_prompt: Option<String>,
    /// A style word of the model
    #[arg(long)]
    style: Option<String>,
    /// Budget of network evaluations, 1 to 1000
    #[arg(long, allow_negative_numbers = true)]
    steps: Option<f64>,
    /// Guidance scale, 0 to 100; up to 1 there is no guidance
    #[arg(long, allow_negative_numbers = true)]
    guidance_scale: Option<f64>,
    /// How far guidance's contrast is brought back to that of the prompt alone, 0 to 1
    #[arg(long, allow_negative_numbers = true)]
    guidance_rescale: Option<f64>,
    /// The sigma / alpha at which there is guidance, as above,up-to; inf is allowed
    #[arg(long, value_delimiter = ',')]
    guidance_interval: Option<Vec<f64>>,
    /// The method; `tenstep solvers` lists them
    #[arg(long)]
    solver: Option<String>,
    /// An option of the method, as name=value; may be repeated
    #[arg(long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,
    /// How the steps are spaced; `tenstep solvers --json` lists the schedules
    #[arg(long)]
    schedule: Option<String>,
    /// Instead of steps and a schedule: the timesteps to evaluate at, falling, with commas between
    #[arg(long, value_delimiter = ',')]
    timesteps: Option<Vec<f64>>,
    /// The same by sigma / alpha (for flow matching by s, from 1), and where the picture ends, which may be 0
    #[arg(long, value_delimiter = ',')]
    sigmas: Option<Vec<f64>>,
    /// 0 to 2^53 - 1 [default: another one each time]
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<f64>,
    /// Pixels
    #[arg(long, allow_negative_numbers = true)]
    width: Option<f64>,
    /// Pixels
    #[arg(long, allow_negative_numbers = true)]
    height: Option<f64>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    run_on(arguments.on, arguments)
}

impl Task for Arguments {
    fn run<E: Executor>(&self, executor: E) -> Result<()> {
        generate(executor, self)
    }
}

fn generate<E: Executor>(executor: E, arguments: &Arguments) -> Result<()> {
    let model = block_on(pipeline::open(Rc::new(executor), &arguments.model))?;
    let options = options(arguments, &model)?;
    let mut run = block_on(model.start(&options))?;
    let told = run.warnings();
    tell(&told);
    while !run.is_done() {
        block_on(run.step())?;
        if std::io::stderr().is_terminal() {
            eprint!("\rstep {} of {} ", run.step_number(), run.steps());
        }
    }
    let image = block_on(run.decode())?;
    let mut told_since = run.warnings();
    told_since.retain(|warning| !told.contains(warning));
    tell(&told_since);
    let timings = run.timings();
    eprintln!(
        "text {:.0} ms, steps {:.0} ms, decode {:.0} ms",
        timings.text,
        timings.steps.iter().sum::<f64>(),
        timings.decode
    );

    let parameters = parameters(arguments, &options, &model);
    let parameters: Vec<(&str, &str)> =
        parameters.iter().map(|(keyword, text)| (*keyword, text.as_str())).collect();
    let path = &arguments.output;
    std::fs::write(path, image.to_png(&parameters)?)
        .map_err(|error| Error::Io { path: path.display().to_string(), message: error.to_string() })?;
    print(&[format!("{} (seed {})", path.display(), options.seed.unwrap_or(0))])
}

fn tell(warnings: &[String]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

fn options<E: Executor>(arguments: &Arguments, model: &Model<E>) -> Result<GenerateOptions> {
    let text = |value: &Option<String>| value.clone().map(Field::Text);
    let number = |value: Option<f64>| value.map(Field::Number);
    let list = |value: &Option<Vec<f64>>| value.clone().map(Field::Numbers);
    let fields = [
        ("prompt", Some(Field::Text(arguments.prompt.clone()))),
        ("negativePrompt", text(&arguments.negative_prompt)),
        ("style", text(&arguments.style)),
        ("steps", number(arguments.steps)),
        ("guidanceScale", number(arguments.guidance_scale)),
        ("guidanceRescale", number(arguments.guidance_rescale)),
        ("guidanceInterval", list(&arguments.guidance_interval)),
        ("solver", text(&arguments.solver)),
        ("solverOptions", Some(Field::Fields(named_fields(&arguments.options)?))),
        ("schedule", text(&arguments.schedule)),
        ("timesteps", list(&arguments.timesteps)),
        ("sigmas", list(&arguments.sigmas)),
        ("seed", number(arguments.seed)),
        ("width", number(arguments.width)),
        ("height", number(arguments.height)),
    ];
    let fields: Vec<(String, Field)> =
        fields.into_iter().filter_map(|(name, field)| Some((name.to_owned(), field?))).collect();
    let mut options = GenerateOptions::from_fields(&fields, model.limits())?;
    options.seed = options.seed.or_else(|| Some(seed_of_now()));
    Ok(options)
}

/// Another seed each time: the clock's nanoseconds, which differ between any two calls.
fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_nanos() as u64 & MAX_SEED
}

/// What a PNG says of how it was made.
fn parameters<E: Executor>(
    arguments: &Arguments,
    options: &GenerateOptions,
    model: &Model<E>,
) -> Vec<(&'static str, String)> {
    let info = model.info();
    let levels = match &options.levels {
        None => vec![("steps", options.steps.to_string()), ("schedule", options.schedule.clone())],
        Some(ListedLevels::Timesteps(list)) => vec![("timesteps", format!("{list:?}"))],
        Some(ListedLevels::Sigmas(list)) => vec![("sigmas", format!("{list:?}"))],
    };
    let mut parameters = vec![
        ("Software", concat!("tenstep ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("model", format!("{} {}", info.name, info.revision)),
        ("prompt", options.prompt.clone()),
        ("negativePrompt", options.negative_prompt.clone()),
        ("style", options.style.clone()),
        ("guidanceScale", options.guidance_scale.to_string()),
        ("guidanceRescale", options.guidance_rescale.to_string()),
        ("guidanceInterval", format!("{:?}", options.guidance_interval)),
        ("solver", options.solver.clone()),
        ("solverOptions", arguments.options.join(" ")),
        ("seed", options.seed.unwrap_or(0).to_string()),
    ];
    parameters.extend(levels);
    parameters
}
