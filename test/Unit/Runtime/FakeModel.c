//===- FakeModel.c - what a compiler would have emitted -------------------===//
//
// Host programs and kernels of two models, by hand. They follow ABI.h and
// compute what is easy to predict, so that tests of the runtime need no
// compiler.
//
// The language model has the inputs input_ids, position_ids, attention_mask,
// bias [n], the states past_key.0 [batch, 2, 16, 3] and past_conv.0 [batch, 5],
// and the outputs
//   logits [batch, seq]     weights[id % 64] + sum of bias
//                           + sum of key 0's first channel up to this position
//                           + the first element of conv before the call
//   positions [batch, seq]  position_ids
//   mask_sum [batch]        the number of nonzero mask elements
//   seen [batch, 2]         1 for decode and 2 for prefill, then the grid
// Key: id * 100 + head * 10 + channel. Conv: adds the call's ids.
//
// The stateless model has x [n] and y [n] = x, 16 bits each.
//
//===----------------------------------------------------------------------===//

#include <string.h>
#include "hybrid/Runtime/ABI.h"

// Generated code is linked without libraries; the runtime has them loaded.
extern float expf(float);

enum { capacity = 16, heads = 2, channels = 3, convWidth = 5 };

static void writeKeys(const uint64_t *args, int64_t block) {
  const int64_t *ids = (const int64_t *)args[0];
  float *keys = (float *)args[1];
  int64_t seq = (int64_t)args[2], past = (int64_t)args[3];
  int64_t b = block / seq, s = block % seq;
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t c = 0; c < channels; ++c)
      keys[((b * heads + h) * capacity + past + s) * channels + c] =
          (float)(ids[block] * 100 + h * 10 + c);
}

static void writeLogits(const uint64_t *args, int64_t block) {
  const int64_t *ids = (const int64_t *)args[0];
  const float *keys = (const float *)args[1];
  int64_t seq = (int64_t)args[2], past = (int64_t)args[3];
  const float *weights = (const float *)args[4];
  const float *bias = (const float *)args[5];
  int64_t n = (int64_t)args[6];
  const float *conv = (const float *)args[7];
  float *logits = (float *)args[8];
  int64_t b = block / seq, s = block % seq;
  float sum = weights[ids[block] % 64] + conv[b * convWidth];
  for (int64_t i = 0; i < n; ++i)
    sum += bias[i];
  for (int64_t t = 0; t <= past + s; ++t)
    sum += keys[(b * heads * capacity + t) * channels];
  logits[block] = sum;
}

static void updateConv(const uint64_t *args, int64_t block) {
  const int64_t *ids = (const int64_t *)args[0];
  float *conv = (float *)args[1];
  int64_t seq = (int64_t)args[2];
  for (int64_t s = 0; s < seq; ++s)
    for (int64_t i = 0; i < convWidth; ++i)
      conv[block * convWidth + i] += (float)ids[block * seq + s];
}

static void sumMask(const uint64_t *args, int64_t block) {
  const int64_t *mask = (const int64_t *)args[0];
  int64_t length = (int64_t)args[1];
  int64_t *sums = (int64_t *)args[2];
  sums[block] = 0;
  for (int64_t i = 0; i < length; ++i)
    sums[block] += mask[block * length + i] != 0;
}

#define SLOT(value) ((uint64_t)(value))

static void run(HybridContext *ctx, const HybridCall *call, int64_t which) {
  int64_t batch = call->dims[0], seq = call->dims[1], past = call->dims[2],
          n = call->dims[3];
  uint64_t args[] = {SLOT(call->inputs[0]),
                     SLOT(call->states[0]),
                     SLOT(seq),
                     SLOT(past),
                     SLOT(call->weights),
                     SLOT(call->inputs[3]),
                     SLOT(n),
                     SLOT(call->states[1]),
                     SLOT(call->outputs[0])};
  ctx->launch(ctx, writeKeys, 0, batch * seq, args, 4);
  ctx->launch(ctx, writeLogits, 1, batch * seq, args, 9);
  uint64_t convArgs[] = {SLOT(call->inputs[0]), SLOT(call->states[1]),
                         SLOT(seq)};
  ctx->launch(ctx, updateConv, 2, batch, convArgs, 3);
  uint64_t maskArgs[] = {SLOT(call->inputs[2]), SLOT(past + seq),
                         SLOT(call->outputs[2])};
  ctx->launch(ctx, sumMask, 3, batch, maskArgs, 3);
  ctx->launch(ctx, sumMask, 3, 0, maskArgs, 3);
  memcpy(call->outputs[1], call->inputs[1], batch * seq * 8);
  int64_t *seen = (int64_t *)call->outputs[3];
  for (int64_t b = 0; b < batch; ++b) {
    seen[b * 2] = which;
    seen[b * 2 + 1] = batch * seq;
  }
  // Scratch memory is there, aligned and writable to its end.
  if ((uintptr_t)call->arena % HYBRID_BUFFER_ALIGNMENT == 0)
    ((char *)call->arena)[4095] = 1;
}

void fake_decode(HybridContext *ctx, const HybridCall *call) {
  run(ctx, call, 1);
}

void fake_prefill(HybridContext *ctx, const HybridCall *call) {
  run(ctx, call, 2);
}

void fake_shapes(const int64_t *dims, int64_t *shapes) {
  int64_t batch = dims[0], seq = dims[1], past = dims[2], n = dims[3];
  int64_t all[] = {batch, seq, batch, seq, batch, past + seq, n,
                   batch, seq, batch, seq, batch, batch,      2};
  for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); ++i)
    shapes[i] = all[i];
}

static void copyBlock(const uint64_t *args, int64_t block) {
  ((uint16_t *)args[1])[block] = ((const uint16_t *)args[0])[block];
}

void fake_main(HybridContext *ctx, const HybridCall *call) {
  uint64_t args[] = {SLOT(call->inputs[0]), SLOT(call->outputs[0])};
  ctx->launch(ctx, copyBlock, 0, call->dims[0], args, 2);
}

void fake_main_shapes(const int64_t *dims, int64_t *shapes) {
  shapes[0] = shapes[1] = dims[0];
}

// A model whose sequences have positions of their own: input_ids [batch, seq]
// and, from the runtime, the positions [batch], which it returns.

void fake_starts(HybridContext *ctx, const HybridCall *call) {
  memcpy(call->outputs[0], call->inputs[1], call->dims[0] * 8);
}

void fake_starts_shapes(const int64_t *dims, int64_t *shapes) {
  int64_t batch = dims[0], seq = dims[1];
  int64_t all[] = {batch, seq, batch, batch};
  memcpy(shapes, all, sizeof(all));
}

// The model of docs/runtime-c-api.md: input_ids [batch, seq], past_sum [batch],
// and logits [batch, seq, 7], which are highest at the sum of all ids so far.
static void greedy(const HybridCall *call, int64_t from) {
  const int64_t *ids = (const int64_t *)call->inputs[0];
  float *sums = (float *)call->states[0], *logits = (float *)call->outputs[0];
  int64_t batch = call->dims[0], seq = call->dims[1];
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t s = 0; s < seq; ++s) {
      sums[b] += (float)ids[b * seq + s];
      for (int64_t v = 0; s >= from && v < 7; ++v)
        logits[(b * (seq - from) + s - from) * 7 + v] =
            (int64_t)sums[b] % 7 == v ? expf(sums[b]) : -1;
    }
}

void fake_greedy(HybridContext *ctx, const HybridCall *call) {
  (void)ctx;
  greedy(call, 0);
}

void fake_greedy_shapes(const int64_t *dims, int64_t *shapes) {
  shapes[0] = shapes[2] = dims[0];
  shapes[1] = shapes[3] = dims[1];
  shapes[4] = 7;
}

// The same with logits [batch, seq - from, 7].
void fake_trimmed(HybridContext *ctx, const HybridCall *call) {
  (void)ctx;
  greedy(call, call->dims[2]);
}

void fake_trimmed_shapes(const int64_t *dims, int64_t *shapes) {
  fake_greedy_shapes(dims, shapes);
  shapes[3] -= dims[2];
}

// A state that cannot be seen in the outputs: position ids of rank 3.
void fake_wide(HybridContext *ctx, const HybridCall *call) {
  (void)ctx;
  int64_t count = 3 * call->dims[0] * call->dims[1];
  memcpy(call->outputs[0], call->inputs[1], count * 4);
}

void fake_wide_shapes(const int64_t *dims, int64_t *shapes) {
  int64_t batch = dims[0], seq = dims[1];
  int64_t all[] = {batch, seq, 3, batch, seq, 3, batch, seq};
  for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); ++i)
    shapes[i] = all[i];
}
