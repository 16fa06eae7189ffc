//! Configs: what is read, and that nothing is ignored in silence.

use std::path::Path;

use serde_json::{Value, json};
use tenstep::Error;
use tenstep::model::{
    AutoencoderConfig, AutoencoderRequest, BlockType, MidBlockType, TextEncoderConfig, TextEncoderRequest,
    UNetConfig, UNetRequest, current_parameter_name, decoder, encoder, text_encoder, unet,
};

/// A config that diffusers wrote, with some fields replaced.
fn config(family: &str, file: &str, changes: &Value) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models").join(family);
    let text = std::fs::read_to_string(folder.join(file)).expect(file);
    let mut config: Value = serde_json::from_str(&text).expect(file);
    for (field, value) in changes.as_object().expect("fields") {
        config[field] = value.clone();
    }
    config
}

/// The error must name the component, the field and its value.
#[track_caller]
fn assert_unsupported(error: &Error, component: &str, changes: &Value) {
    let (named, held) = changes.as_object().and_then(|fields| fields.iter().next_back()).expect("a field");
    match error {
        Error::UnsupportedConfig { component: c, field, value, accepted } => {
            assert_eq!((c.as_str(), field), (component, named), "{error}");
            assert!(held.to_string().contains(&value[..value.len().min(5)]), "{error}");
            assert!(!accepted.is_empty(), "{error}");
        }
        other => panic!("{changes}: {other:?}"),
    }
}

#[test]
fn a_unet_refuses_what_it_does_not_do() {
    for changes in [
        json!({"_class_name": "UNet2DModel"}),
        json!({"down_block_types": ["KDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]}),
        json!({"down_block_types": ["DownBlock2D"]}),
        json!({"up_block_types": ["DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]}),
        json!({"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}),
        json!({"act_fn": "mish"}),
        json!({"act_fn": null}),
        json!({"norm_num_groups": null}),
        json!({"norm_num_groups": 0}),
        json!({"norm_eps": 0.0}),
        json!({"norm_eps": "small"}),
        json!({"num_attention_heads": 8}),
        json!({"attention_head_dim": [8, 8]}),
        json!({"attention_head_dim": [8, 8, 8, null]}),
        json!({"layers_per_block": 2.5}),
        json!({"layers_per_block": 1000}),
        json!({"layers_per_block": -1}),
        json!({"transformer_layers_per_block": [[1], [1], [1], [1]]}),
        json!({"block_out_channels": []}),
        json!({"block_out_channels": 320}),
        json!({"block_out_channels": [32, 32, 32, 18446744073709551615u64]}),
        json!({"in_channels": 1e12}),
        json!({"downsample_padding": 2}),
        json!({"mid_block_scale_factor": 0.0}),
        json!({"conv_in_kernel": 4}),
        json!({"only_cross_attention": [true]}),
        json!({"only_cross_attention": "yes"}),
        json!({"use_linear_projection": 1}),
        json!({"dual_cross_attention": true}),
        json!({"class_embed_type": "picture"}),
        json!({"addition_embed_type": "text_time"}),
        json!({"encoder_hid_dim": 1024}),
        json!({"resnet_time_scale_shift": "spatial"}),
        json!({"resnet_skip_time_act": true}),
        json!({"resnet_out_scale_factor": 1.4}),
        json!({"time_embedding_type": "fourier"}),
        json!({"attention_type": "gated"}),
        json!({"cross_attention_norm": "layer_norm"}),
        json!({"a_field_of_tomorrow": 1}),
    ] {
        let error = UNetConfig::from_json(&config("sd15", "unet.json", &changes)).expect_err("unsupported");
        assert_unsupported(&error, "unet", &changes);
    }
}

#[test]
fn a_unet_whose_numbers_do_not_fit_says_which() {
    for (changes, named) in [
        (json!({"block_out_channels": [32, 48, 64, 60]}), "60 channels"),
        (json!({"attention_head_dim": [8, 7, 8, 8]}), "7 heads"),
        (json!({"cross_attention_dim": [48, 48, 64, 48]}), "cross_attention_dim"),
        (json!({"class_embed_type": "projection"}), "projection_class_embeddings_input_dim"),
    ] {
        let error = UNetConfig::from_json(&config("sd15", "unet.json", &changes)).expect_err("nonsense");
        assert_eq!(error.code(), "invalid-config");
        assert!(error.to_string().contains(named), "{error}");
    }
    assert_eq!(UNetConfig::from_json(&json!([])).expect_err("a list").code(), "invalid-config");
}

#[test]
fn absent_fields_have_the_defaults_of_diffusers() {
    let config = UNetConfig::from_json(&json!({})).expect("Stable Diffusion 1");
    assert_eq!(config.block_out_channels, [320, 640, 1280, 1280]);
    assert_eq!(config.layers_per_block, [2; 4]);
    assert_eq!(config.attention_head_dim, [8; 4]);
    assert_eq!(config.down_block_types[2..], [BlockType::CrossAttention, BlockType::Plain]);
    assert_eq!(config.up_block_types[..2], [BlockType::Plain, BlockType::CrossAttention]);
    assert_eq!(config.mid_block_type, Some(MidBlockType::CrossAttention));
    assert_eq!((config.cross_attention_dim, config.time_embed_dim), (1280, 1280));
    assert_eq!(config.halvings(), 3);

    let text = TextEncoderConfig::from_json(&json!({})).expect("CLIP");
    assert_eq!((text.vocab_size, text.hidden_size, text.max_position_embeddings), (49408, 512, 77));

    let AutoencoderConfig::Tiny(tiny) =
        AutoencoderConfig::from_json(&json!({"_class_name": "AutoencoderTiny"})).expect("TAESD")
    else {
        panic!("not a tiny one")
    };
    assert_eq!(tiny.num_decoder_blocks, [3, 3, 3, 1]);
}

/// Parameters of Stable Diffusion 1.5's UNet, as its model card and diffusers count them.
#[test]
fn the_full_unet_of_stable_diffusion_has_its_parameters() {
    let config = UNetConfig::from_json(&json!({"cross_attention_dim": 768})).expect("Stable Diffusion 1.5");
    let request = UNetRequest { batch: 1, height: 64, width: 64, text_length: 77, ..UNetRequest::default() };
    let graph = unet(&config, &request).expect("a graph");
    assert_eq!(graph.cost().parameters, 859_520_964);
    assert_eq!(graph.parameters().count(), 686);
}

#[test]
fn an_old_config_with_null_fields_is_read() {
    let changes = json!({"_name_or_path": "x", "class_embed_type": null, "some_old_field": null});
    assert!(UNetConfig::from_json(&config("sd15", "unet.json", &changes)).is_ok());
}

#[test]
fn autoencoders_refuse_what_they_do_not_do() {
    for changes in [
        json!({"_class_name": "VQModel"}),
        json!({"down_block_types": ["DownEncoderBlock2D"]}),
        json!({"up_block_types": ["AttnUpDecoderBlock2D", "AttnUpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}),
        json!({"scaling_factor": 0.0}),
        json!({"scaling_factor": null}),
        json!({"latents_mean": [0.0, 0.0, 0.0, 0.0]}),
        json!({"layers_per_block": [1, 2, 3, 4]}),
        json!({"norm_type": "spatial"}),
    ] {
        let error =
            AutoencoderConfig::from_json(&config("sd15", "vae.json", &changes)).expect_err("unsupported");
        assert_unsupported(&error, "vae", &changes);
    }
    for changes in [
        json!({"decoder_block_out_channels": [32, 64, 32]}),
        json!({"upsample_fn": "bilinear"}),
        json!({"upsampling_scaling_factor": 3}),
        json!({"num_encoder_blocks": [1, 1000, 1]}),
        json!({"act_fn": "tanh"}),
    ] {
        let error =
            AutoencoderConfig::from_json(&config("default", "vae.json", &changes)).expect_err("unsupported");
        assert_unsupported(&error, "vae", &changes);
    }
    let uneven = config(
        "default",
        "vae.json",
        &json!({"num_encoder_blocks": [1, 1], "encoder_block_out_channels": [32, 32]}),
    );
    assert_eq!(AutoencoderConfig::from_json(&uneven).expect_err("2 and 3").code(), "invalid-config");
}

#[test]
fn a_text_encoder_refuses_what_it_does_not_do() {
    for changes in [
        json!({"hidden_act": "swiglu"}),
        json!({"model_type": "t5"}),
        json!({"architectures": ["CLIPModel"]}),
        json!({"vocab_size": 0}),
        json!({"num_hidden_layers": 4096}),
        json!({"layer_norm_eps": -1.0}),
        json!({"rope_theta": 10000}),
        json!({"word_embed_proj_dim": 50}),
    ] {
        let error = TextEncoderConfig::from_json(&config("sd15", "text_encoder.json", &changes))
            .expect_err("unsupported");
        assert_unsupported(&error, "text_encoder", &changes);
    }
    let odd = config("sd15", "text_encoder.json", &json!({"num_attention_heads": 5}));
    assert_eq!(TextEncoderConfig::from_json(&odd).expect_err("48 by 5").code(), "invalid-config");
}

#[test]
fn a_word_table_is_two_factors_of_the_token_embedding() {
    let parameters = |changes: serde_json::Value| {
        let config =
            TextEncoderConfig::from_json(&config("sd15", "text_encoder.json", &changes)).expect("a config");
        let request = TextEncoderRequest { batch: 1, length: 4, ..TextEncoderRequest::default() };
        let graph = text_encoder(&config, &request).expect("a graph");
        let shapes: std::collections::BTreeMap<String, Vec<usize>> =
            graph.parameters().map(|(name, value)| (name.to_owned(), graph.shape(value).to_vec())).collect();
        (config, shapes)
    };
    let (plain, whole) = parameters(json!({}));
    let words = json!({"architectures": ["WordTableTextModel"], "word_embed_proj_dim": 7});
    let (config, factors) = parameters(words);
    assert_eq!((plain.word_embed_proj_dim, config.word_embed_proj_dim), (None, Some(7)));
    assert_eq!(factors["embeddings.token_embedding.weight"], [config.vocab_size, 7]);
    assert_eq!(factors["embeddings.project_in.weight"], [config.hidden_size, 7]);
    assert_eq!(factors.len(), whole.len() + 1);
}

#[test]
fn requests_out_of_range_are_refused_by_name() {
    let none = json!({});
    let config_unet = UNetConfig::from_json(&config("sd15", "unet.json", &none)).expect("a config");
    let good = UNetRequest { batch: 1, height: 8, width: 8, text_length: 4, ..UNetRequest::default() };
    let cases = [
        ("batch", UNetRequest { batch: 0, ..good.clone() }),
        ("batch", UNetRequest { batch: usize::MAX, ..good.clone() }),
        ("height", UNetRequest { height: 0, ..good.clone() }),
        ("width", UNetRequest { width: 100_000, ..good.clone() }),
        ("text_length", UNetRequest { text_length: 0, ..good.clone() }),
        ("timestep_cond", UNetRequest { timestep_cond: true, ..good.clone() }),
        ("features", UNetRequest { features: vec!["down_blocks.4".to_owned()], ..good.clone() }),
        ("features", UNetRequest { features: vec!["down_blocks.00".to_owned()], ..good.clone() }),
    ];
    for (named, request) in cases {
        match unet(&config_unet, &request) {
            Err(Error::InvalidOption { option, .. }) => assert_eq!(option, named),
            other => panic!("{named}: {:?}", other.map(|graph| graph.cost())),
        }
    }

    let config_text =
        TextEncoderConfig::from_json(&config("sd15", "text_encoder.json", &none)).expect("a config");
    let good = TextEncoderRequest { batch: 1, length: 24, ..TextEncoderRequest::default() };
    assert!(text_encoder(&config_text, &good).is_ok());
    for request in [
        TextEncoderRequest { length: 25, ..good.clone() },
        TextEncoderRequest { length: 0, ..good.clone() },
        TextEncoderRequest { clip_skip: 3, ..good.clone() },
        TextEncoderRequest { clip_skip: 1, hidden_states: vec![3], ..good.clone() },
    ] {
        assert_eq!(text_encoder(&config_text, &request).expect_err("out of range").code(), "invalid-option");
    }

    let config_vae = AutoencoderConfig::from_json(&config("sd15", "vae.json", &none)).expect("a config");
    assert_eq!(config_vae.vae_scale_factor(), 8);
    let request = AutoencoderRequest { batch: 1, height: 0, width: 4 };
    assert_eq!(decoder(&config_vae, &request).expect_err("no height").code(), "invalid-option");
    assert_eq!(encoder(&config_vae, &request).expect_err("no height").code(), "invalid-option");
}

#[test]
fn parameters_are_known_by_their_older_names() {
    for (old, new) in [
        ("text_model.final_layer_norm.weight", "final_layer_norm.weight"),
        ("decoder.mid_block.attentions.0.query.weight", "decoder.mid_block.attentions.0.to_q.weight"),
        ("encoder.mid_block.attentions.0.proj_attn.bias", "encoder.mid_block.attentions.0.to_out.0.bias"),
        ("down_blocks.0.attentions.0.proj_in.weight", "down_blocks.0.attentions.0.proj_in.weight"),
    ] {
        assert_eq!(current_parameter_name(old), new);
    }
}
