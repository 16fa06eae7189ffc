"""The networks of the parity goldens: each family is small, and shaped like something people use, or like nothing they do.

`default` is the default model's shape. `sd15` and `sd2x` are Stable Diffusion 1.5 and 2.x with fewer channels. The
`options` families between them use every option that src/model reads and the others leave at its default.
"""

from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from training.text import WordTableTextModel

DOWN, UP = "DownBlock2D", "UpBlock2D"
ATTN_DOWN, ATTN_UP = "AttnDownBlock2D", "AttnUpBlock2D"
CROSS_DOWN, CROSS_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"


def text_encoder(model=CLIPTextModel, **config) -> CLIPTextModel:
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return model(CLIPTextConfig(**ids, **config))


def autoencoder_kl(**config) -> AutoencoderKL:
    levels = len(config["block_out_channels"])
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels, **config
    )


def autoencoder_tiny(width: int, encoder_blocks: tuple, decoder_blocks: tuple, **config) -> AutoencoderTiny:
    return AutoencoderTiny(
        encoder_block_out_channels=(width,) * len(encoder_blocks),
        decoder_block_out_channels=(width,) * len(decoder_blocks),
        num_encoder_blocks=encoder_blocks,
        num_decoder_blocks=decoder_blocks,
        **config,
    )


def default() -> dict:
    return {
        "text_encoder": text_encoder(
            WordTableTextModel,
            vocab_size=3380,
            word_embed_proj_dim=50,
            hidden_size=192,
            intermediate_size=512,
            projection_dim=192,
            num_hidden_layers=2,
            num_attention_heads=6,
            max_position_embeddings=16,
        ),
        "unet": UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(64, 128, 192),
            layers_per_block=1,
            down_block_types=(DOWN, CROSS_DOWN, DOWN),
            up_block_types=(UP, CROSS_UP, UP),
            cross_attention_dim=192,
            attention_head_dim=4,
            norm_num_groups=32,
            use_linear_projection=True,
        ),
        "vae": autoencoder_tiny(32, (0, 2, 4), (5, 3, 0), in_channels=4, out_channels=4),
    }


def sd15() -> dict:
    return {
        "text_encoder": text_encoder(
            vocab_size=100,
            hidden_size=48,
            intermediate_size=192,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=24,
        ),
        "unet": UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(32, 48, 64, 64),
            layers_per_block=2,
            down_block_types=(CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
            up_block_types=(UP, CROSS_UP, CROSS_UP, CROSS_UP),
            cross_attention_dim=48,
            attention_head_dim=8,
            norm_num_groups=16,
        ),
        "vae": autoencoder_kl(block_out_channels=(16, 24, 32, 32), layers_per_block=2, norm_num_groups=8),
    }


def sd2x() -> dict:
    return {
        "text_encoder": text_encoder(
            vocab_size=100,
            hidden_size=64,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=16,
            hidden_act="gelu",
        ),
        "unet": UNet2DConditionModel(
            sample_size=12,
            block_out_channels=(32, 64, 96, 96),
            layers_per_block=2,
            down_block_types=(CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
            up_block_types=(UP, CROSS_UP, CROSS_UP, CROSS_UP),
            cross_attention_dim=64,
            attention_head_dim=(2, 4, 6, 6),
            norm_num_groups=16,
            use_linear_projection=True,
            upcast_attention=True,
        ),
        "vae": autoencoder_kl(block_out_channels=(16, 32, 32), layers_per_block=1, norm_num_groups=4),
    }


def options_a() -> dict:
    return {
        "text_encoder": text_encoder(
            vocab_size=50,
            hidden_size=24,
            intermediate_size=40,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=9,
            hidden_act="gelu_new",
            layer_norm_eps=1e-3,
        ),
        "unet": UNet2DConditionModel(
            sample_size=(8, 12),
            center_input_sample=True,
            flip_sin_to_cos=False,
            freq_shift=1,
            down_block_types=(CROSS_DOWN, ATTN_DOWN, DOWN),
            mid_block_type="UNetMidBlock2D",
            up_block_types=(ATTN_UP, ATTN_UP, CROSS_UP),
            only_cross_attention=(True, False, False),
            block_out_channels=(32, 48, 64),
            layers_per_block=(1, 2, 1),
            downsample_padding=0,
            act_fn="gelu",
            norm_num_groups=16,
            norm_eps=1e-4,
            cross_attention_dim=24,
            transformer_layers_per_block=(2, 1, 1),
            reverse_transformer_layers_per_block=(1, 1, 3),
            attention_head_dim=(16, 8, 4),
            class_embed_type="projection",
            projection_class_embeddings_input_dim=11,
            class_embeddings_concat=True,
            resnet_time_scale_shift="scale_shift",
            time_embedding_dim=40,
            timestep_post_act="silu",
            time_cond_proj_dim=13,
            conv_in_kernel=5,
            conv_out_kernel=1,
        ),
        "vae": autoencoder_kl(
            block_out_channels=(16, 24),
            layers_per_block=1,
            norm_num_groups=4,
            act_fn="gelu",
            in_channels=4,
            out_channels=5,
            latent_channels=3,
            scaling_factor=0.4,
            shift_factor=0.7,
            use_quant_conv=False,
            use_post_quant_conv=False,
            mid_block_add_attention=False,
        ),
    }


def options_b() -> dict:
    return {
        "unet": UNet2DConditionModel(
            in_channels=9,
            out_channels=3,
            block_out_channels=(32, 64),
            layers_per_block=1,
            down_block_types=(CROSS_DOWN, DOWN),
            up_block_types=(UP, CROSS_UP),
            cross_attention_dim=24,
            attention_head_dim=4,
            norm_num_groups=8,
            mid_block_scale_factor=1.7,
            time_embedding_act_fn="gelu",
            num_class_embeds=5,
        ),
        "vae": autoencoder_tiny(16, (1, 1, 0, 2), (2, 0, 1, 1), act_fn="silu", scaling_factor=0.5, shift_factor=0.25),
    }


def options_class(class_embed_type: str) -> dict:
    return {
        "unet": UNet2DConditionModel(
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=(DOWN, ATTN_DOWN),
            mid_block_type=None,
            up_block_types=(ATTN_UP, UP),
            attention_head_dim=8,
            norm_num_groups=4,
            act_fn="relu",
            class_embed_type=class_embed_type,
            projection_class_embeddings_input_dim=11,
        )
    }


FAMILIES = {
    "default": default,
    "sd15": sd15,
    "sd2x": sd2x,
    "options_a": options_a,
    "options_b": options_b,
    "options_class_timestep": lambda: options_class("timestep"),
    "options_class_identity": lambda: options_class("identity"),
    "options_class_simple_projection": lambda: options_class("simple_projection"),
}
