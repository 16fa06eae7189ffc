//! From a prompt to its embeddings: tokenizer, then text encoder.

use super::model::Model;
use super::plans::Plans;
use super::ports::{input, output};
use super::sampling::term;
use crate::error::Result;
use crate::executor::{Command, Executor};

/// `input_ids` of a text, with a sentence in `warnings` for each thing of it that the model will not see.
pub(super) fn encode<E: Executor>(
    model: &Model<E>,
    which: &str,
    text: &str,
    warnings: &mut Vec<String>,
) -> Vec<f32> {
    let encoding = model.tokenizer.encode(text);
    if encoding.truncated {
        let length = encoding.input_ids.len();
        warnings.push(format!("The {which} was cut: the text encoder reads {length} tokens."));
    }
    if !encoding.unknown.is_empty() {
        warnings.push(format!(
            "The {which} has words that the model does not know: {}.",
            encoding.unknown.join(", ")
        ));
    }
    // Exact: ids are far below 2^24.
    encoding.input_ids.iter().map(|&id| id as f32).collect()
}

/// `prompt_embeds [n, L, D]` of `input_ids [n, L]`, in as many evaluations as the plan's batch makes of them.
pub(super) fn encode_text<E: Executor>(
    executor: &E,
    plans: &Plans<E>,
    input_ids: &[f32],
    prompt_embeds: &E::Tensor,
) -> Result<()> {
    let (size, encoder) = (plans.size, &plans.text_encoder);
    for (index, ids) in input_ids.chunks(size.batch * size.text_length).enumerate() {
        executor.write(input::<E>(executor, encoder, "input_ids"), ids)?;
        executor.submit(&[
            Command::Evaluate(encoder),
            Command::Combine {
                out: prompt_embeds,
                offset: index * size.text_elements(),
                len: size.text_elements(),
                terms: vec![term(1.0, output::<E>(executor, encoder, "last_hidden_state"), 0)],
            },
        ])?;
    }
    Ok(())
}
