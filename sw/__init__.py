"""The offline half: models in, masks, quantization, schedule and stream out."""
