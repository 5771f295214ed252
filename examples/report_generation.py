"""Report generation: a small `VisionEncoderDecoder` of `transformers` learns 32 impressions.

    cxr synthesize mimic-cxr-jpg practice/mimic --patients 400 --scale 0.125
    python examples/report_generation.py --data-dir practice/mimic --out pictures

You learn: pairs of an image and a text, null texts left out; a tokenizer and a model made from
nothing, so that nothing is downloaded; training and writing. Ask first of any such loop that it
learns a few reports by heart, as here; then take a pretrained model and the whole split.
"""

import torch
import transformers
from datasets import Image, load_dataset
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.utils.data import DataLoader

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.images import decode_batch
from shared import arguments, sheet, square

args = arguments(__doc__, data_dir="practice/mimic", epochs=100)
rows = load_dataset("mimic_cxr_jpg", data_dir=args.data_dir, views=["frontal"], split="train")
rows = rows.filter(bool, input_columns="impression").select(range(32))
rows = rows.cast_column("image", Image(decode=False))
words = Tokenizer(models.WordLevel(unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
special = trainers.WordLevelTrainer(special_tokens=["<pad>", "<s>", "</s>", "<unk>"])
words.train_from_iterator(rows["impression"], special)
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>")


def tensors(rows):
    """Rows as tensors: pixels (1, 64, 64) from -2 to 2, and ids of words, -100 after the end."""
    pixels = [torch.from_numpy(square(image)[None]) / 64 - 2 for image in decode_batch(rows, 64)]
    texts = [f"{text} </s>" for text in rows["impression"]]
    ids = tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
    return {"pixel_values": pixels, "labels": ids.masked_fill(ids == 0, -100)}


torch.manual_seed(0)
config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
    transformers.ViTConfig(image_size=64, num_channels=1, hidden_size=64, intermediate_size=128,
                           num_hidden_layers=1, num_attention_heads=4, initializer_range=0.1),
    transformers.GPT2Config(vocab_size=len(tokenizer), n_embd=64, n_layer=1, n_head=4,
                            bos_token_id=1, eos_token_id=2, initializer_range=0.1),
    decoder_start_token_id=1, pad_token_id=0, eos_token_id=2,
)  # fmt: skip
model = transformers.VisionEncoderDecoderModel(config)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _ in range(args.epochs):
    for batch in DataLoader(rows.with_transform(tensors), batch_size=16, shuffle=True):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
shown = rows[:4]
ids = model.eval().generate(torch.stack(tensors(shown)["pixel_values"]), max_new_tokens=50)
pairs = zip(shown["impression"], tokenizer.batch_decode(ids, True), strict=True)
captions = [f"report: {' '.join(report.split())}\nwritten: {text}" for report, text in pairs]
sheet(decode_batch(shown), captions, args.out / "report_generation.png")
