"""Report generation: a small `VisionEncoderDecoder` of `transformers` learns to write impressions.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/report_generation.py --data-dir practice/mimic --out pictures --epochs 15

You learn: pairs of an image and a text, with null texts left out; a tokenizer and a model made from
nothing, so that nothing is downloaded; training and generation. For a model worth having, start
from a pretrained encoder and decoder.
"""

import torch
from datasets import Image, load_dataset
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.utils.data import DataLoader
from transformers import GPT2Config, PreTrainedTokenizerFast, ViTConfig
from transformers import VisionEncoderDecoderConfig, VisionEncoderDecoderModel

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.images import decode_batch
from shared import arguments, sheet

args = arguments(__doc__, data_dir="practice/mimic", epochs=15)
images = load_dataset("mimic_cxr_jpg", data_dir=args.data_dir, views=["frontal"])
images = images.filter(bool, input_columns="impression")
images = images.cast_column("image", Image(decode=False))

words = Tokenizer(models.WordLevel(unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
trainer = trainers.WordLevelTrainer(special_tokens=[*special.values()])
words.train_from_iterator(images["train"]["impression"], trainer)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **special)


def tensors(rows):
    """Rows as tensors: pixels (1, 64, 64) from -1 to 1, and ids of words, -100 after the end."""
    pixels = [torch.from_numpy(image[None, :64, :64]) for image in decode_batch(rows, 64)]
    texts = [f"{text} </s>" for text in rows["impression"]]
    ids = tokenizer(texts, padding="max_length", truncation=True, max_length=48, return_tensors="pt")["input_ids"]
    return {"pixel_values": [image / 128 - 1 for image in pixels], "labels": ids.where(ids > 0, -100)}


config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
    ViTConfig(image_size=64, patch_size=8, num_channels=1, hidden_size=96, num_hidden_layers=3,
              num_attention_heads=4, intermediate_size=192),
    GPT2Config(vocab_size=len(tokenizer), n_positions=48, n_embd=96, n_layer=3, n_head=4, bos_token_id=1, eos_token_id=2),
    decoder_start_token_id=1, pad_token_id=0, eos_token_id=2
)  # fmt: skip
torch.manual_seed(0)
model = VisionEncoderDecoderModel(config)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for epoch in range(args.epochs):
    for batch in DataLoader(images["train"].with_transform(tensors), batch_size=16, shuffle=True):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

model.eval()
rows = images["train"].select(range(4))
pixels = torch.stack(tensors(rows[:])["pixel_values"])
written = tokenizer.batch_decode(model.generate(pixels, max_new_tokens=40), skip_special_tokens=True)
captions = [f"report: {' '.join(a.split())}\nwritten: {b}" for a, b in zip(rows["impression"], written, strict=True)]
sheet(decode_batch(rows[:]), captions, args.out / "report_generation.png")
