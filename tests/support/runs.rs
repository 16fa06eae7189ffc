//! Whole runs of the default model on the CPU.

use std::rc::Rc;

use pollster::block_on;
use tenstep::burn::Cpu;
use tenstep::executor::Executor;
use tenstep::options::{Field, GenerateOptions};
use tenstep::pipeline::{Loader, Model, open};

use super::Checkpoint;

pub fn model() -> Model<Cpu> {
    let checkpoint = Checkpoint::default_model();
    block_on(open(Rc::new(Cpu::new()), &checkpoint.path)).expect("the default model loads")
}

pub fn options(model: &Model<Cpu>, fields: &[(&str, Field)]) -> GenerateOptions {
    let fields: Vec<(String, Field)> =
        fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect();
    GenerateOptions::from_fields(&fields, model.limits()).expect("good options")
}

pub fn text(value: &str) -> Field {
    Field::Text(value.to_owned())
}

/// Width and height in units of the smallest picture's side: what a picture costs hangs on its latents, and not on how many
/// pixels the model's autoencoder makes of them.
pub fn size<E: Executor>(model: &Model<E>, [width, height]: [usize; 2]) -> [(&'static str, Field); 2] {
    let side = |units: usize| Field::Number((units * model.limits().size_multiple) as f64);
    [("width", side(width)), ("height", side(height))]
}

pub fn latents(model: &Model<Cpu>, options: &GenerateOptions) -> Vec<f32> {
    block_on(async {
        let mut run = model.start(options).await.expect("a run");
        while !run.is_done() {
            run.step().await.expect("a step");
        }
        run.latents().await.expect("latents")
    })
}

/// The default model's shards in a loader; all, or those of one component.
pub fn loader(component: Option<&str>) -> Loader<Cpu> {
    let Checkpoint { path, manifest } = Checkpoint::default_model();
    let mut loader = Loader::new(Rc::new(Cpu::new()), manifest).expect("a good manifest");
    let wanted: Vec<(usize, String)> = loader
        .shards()
        .filter(|(_, of, _)| component.is_none_or(|name| name == *of))
        .map(|(number, _, shard)| (number, shard.file.clone()))
        .collect();
    for (number, file) in wanted {
        let bytes = std::fs::read(path.with_file_name(file)).expect("a shard");
        loader.push_shard(number, &bytes).expect("a good shard");
    }
    loader
}
