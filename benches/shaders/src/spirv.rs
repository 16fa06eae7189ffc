//! WGSL to SPIR-V, as wgpu has it done.

use naga::back::spv::{Options, PipelineOptions, ZeroInitializeWorkgroupMemoryMode, write_vec};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// A compute shader, and the last of its bindings in group 0.
pub struct Shader {
    pub words: Vec<u32>,
    pub last_binding: u32,
}

/// `checked`: indices are kept inside of arrays, and every loop ends. Buffers are the device's to check, by `robustBufferAccess`.
pub fn of(wgsl: &str, checked: bool) -> Result<Shader, String> {
    let module = naga::front::wgsl::parse_str(wgsl).map_err(|error| error.emit_to_string(wgsl))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).map_err(|error| error.emit_to_string(wgsl))?;
    let constants = Default::default();
    let (module, info) = naga::back::pipeline_constants::process_overrides(&module, &info, None, &constants)
        .map_err(|error| error.to_string())?;
    let index = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = Options {
        lang_version: (1, 3),
        bounds_check_policies: BoundsCheckPolicies {
            index,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        force_loop_bounding: checked,
        zero_initialize_workgroup_memory: ZeroInitializeWorkgroupMemoryMode::None,
        ..Options::default()
    };
    let pipeline =
        PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".to_owned() };
    let words = write_vec(&module, &info, &options, Some(&pipeline)).map_err(|error| error.to_string())?;
    let bindings = module.global_variables.iter().filter_map(|(_, variable)| variable.binding.as_ref());
    let last_binding = bindings.map(|binding| binding.binding).max().ok_or("it binds nothing")?;
    Ok(Shader { words, last_binding })
}
