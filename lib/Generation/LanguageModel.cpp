//===- LanguageModel.cpp - modules that continue token sequences ----------===//

#include "hybrid/Generation/LanguageModel.h"

#include "hybrid/Generation/Error.h"
#include "hybrid/Runtime/Numbers.h"

#include <algorithm>
#include <cstdlib>

using namespace hybrid;

static void check(HybridStatus status) {
  if (status == HYBRID_OVER_CAPACITY)
    throw CapacityError(hybrid_last_error());
  if (status != HYBRID_OK)
    throw GenerationError(hybrid_last_error());
}

/// The size of a dimension that is the same in all calls; -1 for others.
static int64_t fixedSize(const char *dim) {
  char *end = nullptr;
  const long long value = std::strtoll(dim, &end, 10);
  return *dim && !*end ? value : -1;
}

//===----------------------------------------------------------------------===//
// LanguageModel
//===----------------------------------------------------------------------===//

LanguageModel::LanguageModel(HybridModule *module)
    : handle(module), states(hybrid_module_num_states(module) != 0) {
  findTokens();
  findLogits();
  findCapacities();
}

void LanguageModel::findTokens() {
  for (size_t i = 0; i < hybrid_module_num_inputs(handle); ++i) {
    HybridValueInfo input = {};
    check(hybrid_module_input(handle, i, &input));
    const std::string role = input.role;
    if (role == "position_ids" || role == "attention_mask")
      continue;
    if (role != "tokens")
      throw GenerationError(std::string("the model needs the input '") +
                            input.name +
                            "', which does not follow from tokens; it cannot "
                            "generate, only run with --inputs");
    if (tokens.name)
      throw GenerationError(std::string("the model has two token inputs, '") +
                            tokens.name + "' and '" + input.name +
                            "'; it cannot generate, only run with --inputs");
    tokens = input;
  }
  if (!tokens.name)
    throw GenerationError("the model has no token input; it cannot generate, "
                          "only run with --inputs");
  if (tokens.rank != 2 || isFloat(tokens.dtype))
    throw GenerationError(std::string("the token input '") + tokens.name +
                          "' has rank " + std::to_string(tokens.rank) +
                          " and dtype " + hybrid_dtype_name(tokens.dtype) +
                          "; generation needs integers [batch, tokens]");
}

void LanguageModel::findLogits() {
  std::vector<HybridValueInfo> fitting;
  for (size_t i = 0; i < hybrid_module_num_outputs(handle); ++i) {
    HybridValueInfo output = {};
    check(hybrid_module_output(handle, i, &output));
    if (output.rank != 3 || !isFloat(output.dtype))
      continue;
    if (std::string(output.name) == "logits") {
      fitting = {output};
      break;
    }
    fitting.push_back(output);
  }
  if (fitting.size() != 1)
    throw GenerationError(
        fitting.empty()
            ? "the model has no logits: no floating-point output "
              "[batch, tokens, vocabulary]"
            : std::string("the model has several outputs that may be its "
                          "logits ('") +
                  fitting[0].name + "', '" + fitting[1].name +
                  "'); generation takes the one that is named 'logits'");
  logits = fitting[0];
  ids = fixedSize(logits.dims[2]);
  if (ids < 0)
    throw GenerationError(std::string("the vocabulary of '") + logits.name +
                          "' has no fixed size, but '" + logits.dims[2] + "'");
  // Logits may be padded beyond the embedding.
  if (tokens.has_range && tokens.max >= 0)
    ids = std::min(ids, tokens.max + 1);
}

/// The largest size of a dimension.
int64_t LanguageModel::capacityOf(const char *dim) const {
  for (size_t i = 0; i < hybrid_module_num_symbols(handle); ++i) {
    HybridSymbolInfo symbol = {};
    check(hybrid_module_symbol(handle, i, &symbol));
    if (std::string(symbol.name) == dim)
      return symbol.capacity;
  }
  return fixedSize(dim);
}

void LanguageModel::findCapacities() {
  batch = capacityOf(tokens.dims[0]);
  call = capacityOf(tokens.dims[1]);
  const int64_t fixed = fixedSize(tokens.dims[1]);
  if (batch < 1 || call < 1 || fixed > 1 || (fixed == 1 && !states))
    throw GenerationError(std::string("the token input '") + tokens.name +
                          "' is [" + tokens.dims[0] + ", " + tokens.dims[1] +
                          "]; generation needs any number of tokens" +
                          (states ? ", or one per call" : " in a call"));
  context = states ? INT64_MAX : call;
  for (size_t i = 0; i < hybrid_module_num_states(handle); ++i) {
    HybridStateInfo state = {};
    check(hybrid_module_state(handle, i, &state));
    if (state.length_axis >= 0)
      context = std::min(context, state.dims[state.length_axis]);
  }
  for (size_t i = 0; i < hybrid_module_num_inputs(handle); ++i) {
    HybridValueInfo input = {};
    check(hybrid_module_input(handle, i, &input));
    if (std::string(input.role) == "position_ids" && input.has_range)
      context = std::min(context, input.max + 1);
  }
}

void LanguageModel::checkIds(const std::vector<int64_t> &list) const {
  for (const int64_t id : list)
    if (id < 0 || id >= ids)
      throw GenerationError("the model has no token " + std::to_string(id) +
                            ", only 0 to " + std::to_string(ids - 1));
}

//===----------------------------------------------------------------------===//
// TokenSession
//===----------------------------------------------------------------------===//

TokenSession::TokenSession(const LanguageModel &model, HybridSession *session,
                           int64_t batch)
    : model(model), session(session), batch(batch),
      chunk(model.callCapacity()) {
  check(hybrid_session_last_only(session, 1));
  if (model.hasStates())
    return;
  histories.resize(size_t(batch));
  copies.resize(size_t(batch));
}

void TokenSession::setChunk(int64_t tokens) {
  chunk = model.callCapacity();
  if (tokens > 0)
    chunk = std::min(chunk, tokens);
}

int64_t TokenSession::position(int64_t sequence) const {
  if (!model.hasStates())
    return int64_t(histories[size_t(sequence)].size());
  return hybrid_session_sequence_position(session, sequence);
}

void TokenSession::reset(int64_t sequence) {
  if (!model.hasStates())
    histories[size_t(sequence)].clear();
  else
    check(hybrid_session_reset_sequence(session, sequence));
}

void TokenSession::checkCall(const std::vector<int64_t> &sequences,
                             const std::vector<int64_t> &ids) const {
  if (sequences.empty() || ids.empty() || ids.size() % sequences.size())
    throw GenerationError("there are no tokens to run");
  model.checkIds(ids);
  const auto count = int64_t(ids.size() / sequences.size());
  for (const int64_t sequence : sequences) {
    if (sequence < 0 || sequence >= batch)
      throw GenerationError("there is no sequence " + std::to_string(sequence));
    const int64_t held = position(sequence);
    if (count > model.contextCapacity() - held)
      throw CapacityError("the sequence holds " + std::to_string(held) +
                          " tokens and " + std::to_string(count) +
                          " more do not fit: the model was compiled "
                          "for sequences of " +
                          std::to_string(model.contextCapacity()));
  }
}

/// The logits of a sequence's last position; only that one matters.
static LogitsRow lastRow(const HybridTensor &output, size_t sequence) {
  const auto width = size_t(output.dims[2]);
  const size_t row = (sequence + 1) * size_t(output.dims[1]) - 1;
  return {output.dtype,
          static_cast<const char *>(output.data) +
              row * width * hybrid_dtype_size(output.dtype),
          width};
}

std::vector<LogitsRow> TokenSession::feed(const std::vector<int64_t> &sequences,
                                          const std::vector<int64_t> &ids) {
  checkCall(sequences, ids);
  if (!model.hasStates())
    return recompute(sequences, ids);
  const size_t count = ids.size() / sequences.size();
  HybridTensor output = {};
  for (size_t at = 0; at < count; at += size_t(chunk))
    output =
        run(sequences, &ids[at], count, std::min(size_t(chunk), count - at));
  std::vector<LogitsRow> rows;
  for (size_t i = 0; i < sequences.size(); ++i)
    rows.push_back(lastRow(output, i));
  return rows;
}

/// Runs `count` tokens of each sequence; those of neighbouring sequences are
/// `stride` apart.
HybridTensor TokenSession::run(const std::vector<int64_t> &sequences,
                               const int64_t *ids, size_t stride,
                               size_t count) {
  const size_t rows = sequences.size();
  idBytes.resize(rows * count * hybrid_dtype_size(model.tokens.dtype));
  for (size_t row = 0; row < rows; ++row)
    for (size_t i = 0; i < count; ++i)
      storeAt(model.tokens.dtype, idBytes.data(), row * count + i,
              double(ids[row * stride + i]));
  HybridTensor input = {}, output = {};
  input.name = model.tokens.name;
  input.dtype = model.tokens.dtype;
  input.rank = 2;
  input.dims[0] = int64_t(rows);
  input.dims[1] = int64_t(count);
  input.data = idBytes.data();
  input.bytes = idBytes.size();
  output.name = model.logits.name;
  check(model.hasStates()
            ? hybrid_session_run_sequences(session, sequences.data(), rows,
                                           &input, 1, &output, 1)
            : hybrid_session_run(session, &input, 1, &output, 1));
  if (output.rank != 3 || output.dims[0] != input.dims[0] || output.dims[1] < 1)
    throw GenerationError(std::string("the output '") + output.name +
                          "' does not have a row for each sequence");
  return output;
}

std::vector<LogitsRow>
TokenSession::recompute(const std::vector<int64_t> &sequences,
                        const std::vector<int64_t> &ids) {
  const size_t count = ids.size() / sequences.size();
  std::vector<LogitsRow> rows;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto sequence = size_t(sequences[i]);
    std::vector<int64_t> history = histories[sequence];
    history.insert(history.end(), ids.begin() + i * count,
                   ids.begin() + (i + 1) * count);
    const HybridTensor output =
        run({sequences[i]}, history.data(), history.size(), history.size());
    LogitsRow row = lastRow(output, 0);
    const char *begin = static_cast<const char *>(row.data);
    copies[sequence].assign(begin,
                            begin + row.count * hybrid_dtype_size(row.dtype));
    row.data = copies[sequence].data();
    rows.push_back(row);
    histories[sequence] = std::move(history);
  }
  return rows;
}
