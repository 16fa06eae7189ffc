//! Parameters that older versions of diffusers and transformers stored under other names.

use std::borrow::Cow;

/// Until diffusers 0.12 the projections of an autoencoder's attention; Stable Diffusion 1.x is stored so.
const ATTENTION: [(&str, &str); 4] = [
    (".attentions.0.query.", ".attentions.0.to_q."),
    (".attentions.0.key.", ".attentions.0.to_k."),
    (".attentions.0.value.", ".attentions.0.to_v."),
    (".attentions.0.proj_attn.", ".attentions.0.to_out.0."),
];

/// The name under which graphs ask for the parameter that a checkpoint calls `name`: the one that diffusers and
/// transformers use today. Until version 5 transformers put all of a text encoder under `text_model.`.
pub fn current_parameter_name(name: &str) -> Cow<'_, str> {
    let name = name.strip_prefix("text_model.").unwrap_or(name);
    match ATTENTION.iter().find(|(old, _)| name.contains(old)) {
        Some((old, new)) => Cow::Owned(name.replace(old, new)),
        None => Cow::Borrowed(name),
    }
}
