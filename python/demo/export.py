"""Writes the demo model as ONNX: its design, and its weights by their names there."""

from hybrid import models

from . import model as demo_model


def design(config):
    """The hybrid.models.Design of a torch Model's Config."""
    rope = models.Rope(demo_model.ROPE_BASE)
    mixers = {
        "m": models.Mamba2(config.inner, config.heads, config.state, taps=config.conv),
        "a": models.Attention(
            config.q_heads,
            config.kv_heads,
            config.attention_head,
            config.attention_head,
            rope,
        ),
    }
    block = models.FeedForward(config.mlp)
    return models.Design(
        "demo",
        config.width,
        tuple(models.Layer(mixers[letter], block) for letter in config.layers),
        config.vocab,
        positions=config.positions,
        epsilon=demo_model.EPSILON,
    )


def weights(model):
    """The parameters of a torch Model, by name; matrices are transposed."""
    found = {"embedding": model.embed.weight, "norm": model.norm.weight}
    for index, (letter, layer) in enumerate(zip(model.config.layers, model.layers)):
        mix = _mamba2 if letter == "m" else _attention
        own = {
            "norm1": layer.norm1.weight,
            "norm2": layer.norm2.weight,
            "out": layer.mixer.leave.weight.t(),
            "up": layer.gate_up.weight.t(),
            "down": layer.down.weight.t(),
            **mix(layer.mixer),
        }
        found.update({f"layer.{index}.{name}": value for name, value in own.items()})
    return {name: value.detach().float().cpu().numpy() for name, value in found.items()}


def _mamba2(mixer):
    return {
        "in": mixer.enter.weight.t(),
        "conv": mixer.conv_weight[:, None],
        "conv_bias": mixer.conv_bias,
        "dt_bias": mixer.dt_bias,
        "A_log": mixer.a_log,
        "D": mixer.skip[:, None],
        "norm": mixer.norm.weight,
    }


def _attention(mixer):
    return {name: getattr(mixer, name).weight.t() for name in ("q", "k", "v")}


def save(model, path, dtype="f16"):
    """Writes a torch Model, weights and arithmetic in `dtype`; the states of scans
    are float32."""
    design(model.config).save(path, dtype=dtype, weights=weights(model))
