//! What a caller asks of one picture, checked in one place for the browser, Rust and the command line.

use crate::error::{Error, Result};
use crate::solver::{Levels, SolverOptions, Spacing};

/// One option as it arrives from outside: a JavaScript property or a command-line argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Number(f64),
    Text(String),
    /// A list of numbers.
    Numbers(Vec<f64>),
    /// Named fields, none of which is another `Fields`.
    Fields(Vec<(String, Field)>),
    /// Anything else, described for the error message ("an object", "true").
    Other(String),
}

impl Field {
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
            Self::Numbers(numbers) => format!("a list of {} numbers", numbers.len()),
            Self::Fields(_) => "an object".to_owned(),
            Self::Other(description) => description.clone(),
        }
    }
}

/// Noise levels that a caller lists, in place of a number of steps and a schedule; see [`Levels`].
#[derive(Debug, Clone, PartialEq)]
pub enum ListedLevels {
    Timesteps(Vec<f64>),
    Sigmas(Vec<f64>),
}

impl ListedLevels {
    /// The same as the solvers take them.
    pub fn as_levels(&self) -> Levels<'_> {
        match self {
            Self::Timesteps(list) => Levels::Timesteps(list),
            Self::Sigmas(list) => Levels::Sigmas(list),
        }
    }
}

/// What a model accepts, and what it takes where an option is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionLimits {
    /// Style words; may be empty.
    pub styles: Vec<String>,
    /// Names of solvers.
    pub solvers: Vec<String>,
    /// Names of timestep schedules.
    pub schedules: Vec<String>,
    /// Width and height are multiples of this many pixels.
    pub size_multiple: usize,
    /// Largest `width * height`.
    pub max_pixels: usize,
    /// Largest width, and height, in pixels; a multiple of `size_multiple`.
    pub max_side: usize,
    /// Values of options that are left out. Its prompts are empty.
    pub defaults: GenerateOptions,
}

/// The options of one picture. [`GenerateOptions::from_fields`] makes valid ones.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// What to draw. Empty means: anything (the unconditional picture).
    pub prompt: String,
    /// What to steer away from; takes the place of the empty prompt in guidance.
    pub negative_prompt: String,
    /// A style word of the model, or empty.
    pub style: String,
    /// The budget of network evaluations, 1 to [`MAX_STEPS`]. How many steps of the solver that makes is the
    /// solver's matter.
    pub steps: usize,
    /// Classifier-free guidance scale, 0 to [`MAX_GUIDANCE_SCALE`]. Up to 1 there is no guidance.
    pub guidance_scale: f64,
    /// How far guidance's contrast is brought back to that of the prompt alone, 0 to 1.
    pub guidance_rescale: f64,
    /// The `sigma / alpha` at which there is guidance: above the first, up to the second.
    pub guidance_interval: [f64; 2],
    /// A solver's name. [`GenerateOptions::from_fields`] also takes the names that
    /// [`crate::solver::resolve`] knows, with the schedule that they imply if none is given.
    pub solver: String,
    /// Options of the solver, all of which it has.
    pub solver_options: SolverOptions,
    /// A timestep schedule's name.
    pub schedule: String,
    /// In place of `steps` and `schedule`: the levels to visit, at most [`MAX_STEPS`] and the last.
    pub levels: Option<ListedLevels>,
    /// Seed of the noise, 0 to [`MAX_SEED`]; `None` lets the caller's platform draw one.
    pub seed: Option<u64>,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// Most steps of one picture: the number of timesteps that networks are trained on.
pub const MAX_STEPS: usize = 1000;
/// Largest guidance scale.
pub const MAX_GUIDANCE_SCALE: f64 = 100.0;
/// Largest seed: the largest integer that a JavaScript number holds exactly, 2^53 - 1.
pub const MAX_SEED: u64 = (1 << 53) - 1;

const NAMES: [&str; 15] = [
    "prompt",
    "negativePrompt",
    "style",
    "steps",
    "guidanceScale",
    "guidanceRescale",
    "guidanceInterval",
    "solver",
    "solverOptions",
    "schedule",
    "timesteps",
    "sigmas",
    "seed",
    "width",
    "height",
];

impl GenerateOptions {
    /// Reads named fields, with `limits.defaults` for those left out.
    ///
    /// Fails with [`Error::InvalidOption`], naming the option, what is accepted and what came.
    pub fn from_fields(fields: &[(String, Field)], limits: &OptionLimits) -> Result<Self> {
        let mut options = limits.defaults.clone();
        for (name, field) in fields {
            match name.as_str() {
                "prompt" => options.prompt = text("prompt", field)?,
                "negativePrompt" => options.negative_prompt = text("negativePrompt", field)?,
                "style" => options.style = one_of("style", field, &limits.styles, true)?,
                "solver" => {
                    let (solver, implied) = solver(field, limits)?;
                    options.solver = solver;
                    let given = fields.iter().any(|(name, _)| name == "schedule");
                    if let Some(spacing) = implied.filter(|_| !given) {
                        options.schedule = spacing.name().to_owned();
                    }
                }
                "solverOptions" => options.solver_options = solver_options(field)?,
                "schedule" => options.schedule = schedule(field, limits)?,
                "timesteps" => options.levels = Some(ListedLevels::Timesteps(list("timesteps", field)?)),
                "sigmas" => options.levels = Some(ListedLevels::Sigmas(list("sigmas", field)?)),
                "steps" => options.steps = integer("steps", field, 1, MAX_STEPS as u64)? as usize,
                "seed" => options.seed = Some(integer("seed", field, 0, MAX_SEED)?),
                "guidanceScale" => options.guidance_scale = guidance_scale(field)?,
                "guidanceRescale" => options.guidance_rescale = guidance_rescale(field)?,
                "guidanceInterval" => options.guidance_interval = guidance_interval(field)?,
                "width" => options.width = side("width", field, limits)?,
                "height" => options.height = side("height", field, limits)?,
                _ => {
                    return Err(Error::InvalidOption {
                        option: "options",
                        accepted: format!("made of {}", NAMES.join(", ")),
                        value: format!("{name:?}"),
                    });
                }
            }
        }
        refuse_two_kinds_of_levels(fields)?;
        if options.width.saturating_mul(options.height) > limits.max_pixels {
            return Err(Error::InvalidOption {
                option: "width",
                accepted: format!("so that width times height is at most {} pixels", limits.max_pixels),
                value: format!("{} with height {}", options.width, options.height),
            });
        }
        Ok(options)
    }
}

fn refused<T>(option: &'static str, accepted: impl Into<String>, field: &Field) -> Result<T> {
    Err(Error::InvalidOption { option, accepted: accepted.into(), value: field.describe() })
}

/// Levels are listed, or they follow from a number of steps and a schedule.
fn refuse_two_kinds_of_levels(fields: &[(String, Field)]) -> Result<()> {
    let field_of = |wanted: &str| fields.iter().find(|(name, _)| name == wanted);
    let listed = field_of("timesteps").map(|found| ("timesteps", found));
    let Some((option, (_, field))) = listed.or(field_of("sigmas").map(|found| ("sigmas", found))) else {
        return Ok(());
    };
    let others = ["sigmas", "steps", "schedule"].into_iter().filter(|other| *other != option);
    match others.into_iter().find(|other| field_of(other).is_some()) {
        Some(other) => refused(option, format!("left out where {other} is given"), field),
        None => Ok(()),
    }
}

/// Whether the solver has them is seen when the run is planned.
fn solver_options(field: &Field) -> Result<SolverOptions> {
    match field {
        Field::Fields(fields) => SolverOptions::from_fields(fields),
        _ => refused("solverOptions", "an object of the solver's options", field),
    }
}

fn list(option: &'static str, field: &Field) -> Result<Vec<f64>> {
    match field {
        Field::Numbers(numbers) if numbers.len() <= MAX_STEPS + 1 => Ok(numbers.clone()),
        _ => refused(option, format!("a list of at most {} numbers", MAX_STEPS + 1), field),
    }
}

fn text(option: &'static str, field: &Field) -> Result<String> {
    match field {
        Field::Text(text) => Ok(text.clone()),
        _ => refused(option, "a string", field),
    }
}

fn one_of(option: &'static str, field: &Field, names: &[String], or_empty: bool) -> Result<String> {
    match field {
        Field::Text(text) if names.contains(text) || (or_empty && text.is_empty()) => Ok(text.clone()),
        _ if names.is_empty() => refused(option, "left out: this model has none", field),
        _ => refused(option, format!("one of {}", names.join(", ")), field),
    }
}

/// A solver by any name that people know, and the schedule that the name implies.
fn solver(field: &Field, limits: &OptionLimits) -> Result<(String, Option<Spacing>)> {
    if let Field::Text(name) = field
        && let Ok((solver, implied)) = crate::solver::resolve(name)
        && limits.solvers.iter().any(|known| known == solver.name())
    {
        return Ok((solver.name().to_owned(), implied));
    }
    one_of("solver", field, &limits.solvers, false).map(|name| (name, None))
}

/// A schedule by any name.
fn schedule(field: &Field, limits: &OptionLimits) -> Result<String> {
    let spacing = if let Field::Text(name) = field { Spacing::find(name).ok() } else { None };
    match spacing.filter(|spacing| limits.schedules.iter().any(|known| known == spacing.name())) {
        Some(spacing) => Ok(spacing.name().to_owned()),
        None => one_of("schedule", field, &limits.schedules, false),
    }
}

fn integer(option: &'static str, field: &Field, least: u64, most: u64) -> Result<u64> {
    match field {
        Field::Number(number)
            if number.fract() == 0.0 && *number >= least as f64 && *number <= most as f64 =>
        {
            Ok(*number as u64)
        }
        _ => refused(option, format!("an integer from {least} to {most}"), field),
    }
}

fn guidance_scale(field: &Field) -> Result<f64> {
    match field {
        Field::Number(number) if (0.0..=MAX_GUIDANCE_SCALE).contains(number) => Ok(*number),
        _ => refused("guidanceScale", format!("a number from 0 to {MAX_GUIDANCE_SCALE}"), field),
    }
}

fn guidance_rescale(field: &Field) -> Result<f64> {
    match field {
        Field::Number(number) if (0.0..=1.0).contains(number) => Ok(*number),
        _ => refused("guidanceRescale", "a number from 0 to 1", field),
    }
}

fn guidance_interval(field: &Field) -> Result<[f64; 2]> {
    match field {
        Field::Numbers(numbers) => match numbers[..] {
            [above, up_to] if above >= 0.0 && above < up_to => Ok([above, up_to]),
            _ => Err(Error::InvalidOption {
                option: "guidanceInterval",
                accepted: "two numbers, the first at least 0 and below the second".to_owned(),
                value: format!("{numbers:?}"),
            }),
        },
        _ => refused("guidanceInterval", "a list of two numbers", field),
    }
}

fn side(option: &'static str, field: &Field, limits: &OptionLimits) -> Result<usize> {
    let multiple = limits.size_multiple as u64;
    let most = (limits.max_pixels / limits.size_multiple).min(limits.max_side) as u64;
    match integer(option, field, multiple, most) {
        Ok(pixels) if pixels.is_multiple_of(multiple) => Ok(pixels as usize),
        _ => refused(option, format!("a multiple of {multiple} from {multiple} to {most}"), field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solver::Guidance;

    fn limits() -> OptionLimits {
        OptionLimits {
            styles: vec!["noto".to_owned()],
            solvers: vec!["ddim".to_owned()],
            schedules: vec!["trailing".to_owned()],
            size_multiple: 16,
            max_pixels: 256 * 256,
            max_side: 512,
            defaults: GenerateOptions {
                prompt: String::new(),
                negative_prompt: String::new(),
                style: String::new(),
                steps: 10,
                guidance_scale: 4.0,
                guidance_rescale: 0.0,
                guidance_interval: Guidance::EVERYWHERE,
                solver: "ddim".to_owned(),
                solver_options: SolverOptions::default(),
                schedule: "trailing".to_owned(),
                levels: None,
                seed: None,
                width: 64,
                height: 64,
            },
        }
    }

    fn read(name: &str, field: Field) -> Result<GenerateOptions> {
        GenerateOptions::from_fields(&[(name.to_owned(), field)], &limits())
    }

    #[test]
    fn options_left_out_take_the_defaults() {
        assert_eq!(GenerateOptions::from_fields(&[], &limits()), Ok(limits().defaults));
    }

    #[test]
    fn good_values_are_taken() {
        assert_eq!(read("steps", Field::Number(1.0)).expect("one step is legal").steps, 1);
        assert_eq!(read("seed", Field::Number(9007199254740991.0)).expect("largest").seed, Some(MAX_SEED));
        assert_eq!(read("style", Field::Text(String::new())).expect("no style").style, "");
        assert_eq!(read("height", Field::Number(96.0)).expect("a multiple").height, 96);
        assert_eq!(read("guidanceScale", Field::Number(0.0)).expect("zero").guidance_scale, 0.0);
        let interval =
            read("guidanceInterval", Field::Numbers(vec![0.2, f64::INFINITY])).expect("an interval");
        assert_eq!(interval.guidance_interval, [0.2, f64::INFINITY]);
        let levels = read("timesteps", Field::Numbers(vec![900.0, 3.5])).expect("levels").levels;
        assert_eq!(levels, Some(ListedLevels::Timesteps(vec![900.0, 3.5])));
        let fields = Field::Fields(vec![("eta".to_owned(), Field::Number(0.5))]);
        assert_eq!(read("solverOptions", fields).expect("eta").solver_options.eta, Some(0.5));
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        let bad = [
            ("steps", Field::Number(0.0)),
            ("steps", Field::Number(1.5)),
            ("steps", Field::Number(f64::NAN)),
            ("steps", Field::Number(1e9)),
            ("steps", Field::Text("10".to_owned())),
            ("guidanceScale", Field::Number(f64::NAN)),
            ("guidanceScale", Field::Number(-1.0)),
            ("guidanceScale", Field::Number(f64::INFINITY)),
            ("seed", Field::Number(-1.0)),
            ("seed", Field::Number(9007199254740992.0)),
            ("seed", Field::Text("seven".to_owned())),
            ("width", Field::Number(0.0)),
            ("width", Field::Number(65.0)),
            ("height", Field::Number(1e12)),
            // Few enough pixels, but too long.
            ("width", Field::Number(1024.0)),
            ("solver", Field::Text("euler".to_owned())),
            ("schedule", Field::Text("simple".to_owned())),
            ("style", Field::Text("baroque".to_owned())),
            ("prompt", Field::Number(3.0)),
            ("guidanceRescale", Field::Number(1.1)),
            ("guidanceInterval", Field::Number(1.0)),
            ("guidanceInterval", Field::Numbers(vec![0.5])),
            ("guidanceInterval", Field::Numbers(vec![2.0, 1.0])),
            ("guidanceInterval", Field::Numbers(vec![f64::NAN, 1.0])),
            ("negativePrompt", Field::Other("null".to_owned())),
            ("steps", Field::Numbers(vec![10.0])),
            ("prompt", Field::Fields(Vec::new())),
            ("timesteps", Field::Number(3.0)),
            ("sigmas", Field::Numbers(vec![1.0; MAX_STEPS + 2])),
            ("solverOptions", Field::Text("eta".to_owned())),
        ];
        for (name, field) in bad {
            match read(name, field.clone()) {
                Err(Error::InvalidOption { option, .. }) => assert_eq!(option, name, "{field:?}"),
                other => panic!("{name} = {field:?} gave {other:?}"),
            }
        }
    }

    #[test]
    fn levels_are_listed_or_follow_from_steps_and_schedule() {
        let timesteps = ("timesteps".to_owned(), Field::Numbers(vec![900.0, 3.5]));
        for (name, field) in [
            ("steps", Field::Number(10.0)),
            ("schedule", Field::Text("trailing".to_owned())),
            ("sigmas", Field::Numbers(vec![1.0, 0.0])),
        ] {
            let fields = [(name.to_owned(), field), timesteps.clone()];
            let error = GenerateOptions::from_fields(&fields, &limits()).expect_err("two kinds of levels");
            let message =
                format!("timesteps must be left out where {name} is given, not a list of 2 numbers");
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn solvers_are_known_by_other_names() {
        let options = read("solver", Field::Text("DDIM Karras".to_owned())).expect("a solver");
        assert_eq!((options.solver.as_str(), options.schedule.as_str()), ("ddim", "karras"));
        let fields = ["schedule", "solver"].map(|name| {
            let value = if name == "solver" { "DDIM Karras" } else { "trailing" };
            (name.to_owned(), Field::Text(value.to_owned()))
        });
        let options = GenerateOptions::from_fields(&fields, &limits()).expect("a solver and a schedule");
        assert_eq!((options.solver.as_str(), options.schedule.as_str()), ("ddim", "trailing"));
    }

    #[test]
    fn unknown_options_are_refused() {
        let error = read("guidance_scale", Field::Number(4.0)).expect_err("unknown");
        assert_eq!(error.code(), "invalid-option");
        assert!(error.to_string().contains("guidance_scale"), "{error}");
    }

    #[test]
    fn sizes_are_bounded_together() {
        let fields =
            [("width".to_owned(), Field::Number(256.0)), ("height".to_owned(), Field::Number(272.0))];
        let error = GenerateOptions::from_fields(&fields, &limits()).expect_err("too many pixels");
        assert_eq!(error.code(), "invalid-option");
    }
}
