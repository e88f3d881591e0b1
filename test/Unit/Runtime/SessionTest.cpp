//===- SessionTest.cpp - binding rules, states and runs -------------------===//

#include "FakeArtifact.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

using namespace hybrid;
using namespace hybrid::test;

namespace {

template <typename T>
std::vector<T> values(const HybridTensor &tensor) {
  std::vector<T> result(tensor.bytes / sizeof(T));
  if (!result.empty())
    std::memcpy(result.data(), tensor.data, tensor.bytes);
  return result;
}

std::vector<int64_t> dims(const HybridTensor &tensor) {
  return {tensor.dims, tensor.dims + tensor.rank};
}

/// A session of the language model in FakeModel.c.
class LanguageModel : public testing::Test {
protected:
  static void SetUpTestSuite() {
    module = test::open(makeArtifact("session.hyb", languageModel()));
  }
  static void TearDownTestSuite() { module.reset(); }

  void SetUp() override {
    ASSERT_TRUE(module);
    session = newSession(module.get());
    ASSERT_TRUE(session);
  }

  HybridTensor ids(int64_t batch, int64_t seq, int64_t first = 1) {
    idValues.resize(size_t(batch * seq));
    std::iota(idValues.begin(), idValues.end(), first);
    return tensor("input_ids", HYBRID_INT64, {batch, seq}, idValues.data());
  }

  HybridTensor bias() {
    return tensor("bias", HYBRID_FLOAT32, {2}, biasValues);
  }

  HybridStatus run(std::vector<HybridTensor> inputs,
                   std::vector<HybridTensor> wanted = {}) {
    outputs = std::move(wanted);
    return hybrid_session_run(session.get(), inputs.data(), inputs.size(),
                              outputs.data(), outputs.size());
  }

  /// Output `index` of the last run.
  HybridTensor output(size_t index) {
    HybridTensor result = {};
    EXPECT_EQ(hybrid_session_output(session.get(), index, &result), HYBRID_OK);
    return result;
  }

  HybridTensor readState(const char *name) {
    HybridTensor state = wanted(name);
    EXPECT_EQ(hybrid_session_read_state(session.get(), &state), HYBRID_OK)
        << hybrid_last_error();
    return state;
  }

  int64_t position() { return hybrid_session_position(session.get()); }

  /// What the model says for one sequence of ids from the start.
  static std::vector<float> expectedLogits(const std::vector<int64_t> &ids,
                                           float conv = 0) {
    std::vector<float> logits;
    float keys = 0;
    for (int64_t id : ids) {
      keys += float(id * 100);
      logits.push_back(float(id % 64) + 0.5f + 3 + keys + conv);
    }
    return logits;
  }

  static ModulePtr module;
  SessionPtr session;
  std::vector<HybridTensor> outputs;
  std::vector<int64_t> idValues;
  float biasValues[2] = {1, 2};
};

ModulePtr LanguageModel::module;

} // namespace

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

TEST_F(LanguageModel, PrefillThenDecode) {
  ASSERT_EQ(run({ids(1, 3), bias()}), HYBRID_OK) << hybrid_last_error();
  EXPECT_STREQ(hybrid_session_entry(session.get()), "prefill");
  EXPECT_EQ(position(), 3);
  EXPECT_EQ(values<float>(output(0)), expectedLogits({1, 2, 3}));
  EXPECT_EQ(values<int64_t>(output(1)), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(values<int64_t>(output(2)), (std::vector<int64_t>{3}));

  ASSERT_EQ(run({ids(1, 1, 4), bias()}), HYBRID_OK) << hybrid_last_error();
  EXPECT_STREQ(hybrid_session_entry(session.get()), "decode");
  EXPECT_EQ(position(), 4);
  // The convolution state has summed the first call's ids.
  EXPECT_EQ(values<float>(output(0)).at(0), expectedLogits({1, 2, 3, 4}, 6)[3]);
  EXPECT_EQ(values<int64_t>(output(1)), (std::vector<int64_t>{3}));
  EXPECT_EQ(values<int64_t>(output(2)), (std::vector<int64_t>{4}));
}

TEST_F(LanguageModel, ManyThreadsGiveTheSame) {
  session = newSession(module.get(), 4);
  EXPECT_EQ(hybrid_session_threads(session.get()), 4);
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(run({ids(2, 8), bias()}), HYBRID_OK) << hybrid_last_error();
    std::vector<float> expected = expectedLogits({1, 2, 3, 4, 5, 6, 7, 8});
    const std::vector<float> second =
        expectedLogits({9, 10, 11, 12, 13, 14, 15, 16});
    expected.insert(expected.end(), second.begin(), second.end());
    ASSERT_EQ(values<float>(output(0)), expected);
    ASSERT_EQ(hybrid_session_reset(session.get()), HYBRID_OK);
  }
}

TEST_F(LanguageModel, SessionsAreIndependent) {
  SessionPtr other = newSession(module.get());
  ASSERT_EQ(run({ids(1, 3), bias()}), HYBRID_OK);
  std::swap(session, other);
  ASSERT_EQ(run({ids(2, 3), bias()}), HYBRID_OK);
  EXPECT_EQ(position(), 3);
  EXPECT_EQ(hybrid_session_batch(session.get()), 2);
  std::swap(session, other);
  EXPECT_EQ(hybrid_session_batch(session.get()), 1);
}

TEST_F(LanguageModel, SessionOutlivesTheModule) {
  ModulePtr own = test::open(makeArtifact("outlive.hyb", languageModel()));
  session = newSession(own.get());
  own.reset();
  EXPECT_EQ(run({ids(1, 2), bias()}), HYBRID_OK);
}

TEST_F(LanguageModel, GivenPositionsAndMaskAreUsed) {
  const int64_t positions[] = {7, 8, 9}, mask[] = {0, 1, 1};
  ASSERT_EQ(run({ids(1, 3), bias(),
                 tensor("position_ids", HYBRID_INT64, {1, 3}, positions),
                 tensor("attention_mask", HYBRID_INT64, {1, 3}, mask)}),
            HYBRID_OK)
      << hybrid_last_error();
  EXPECT_EQ(values<int64_t>(output(1)), (std::vector<int64_t>{7, 8, 9}));
  EXPECT_EQ(values<int64_t>(output(2)), (std::vector<int64_t>{2}));
  // A mask that is left out afterwards is all ones again.
  ASSERT_EQ(run({ids(1, 2), bias()}), HYBRID_OK);
  EXPECT_EQ(values<int64_t>(output(2)), (std::vector<int64_t>{5}));
  EXPECT_EQ(values<int64_t>(output(1)), (std::vector<int64_t>{3, 4}));
}

TEST_F(LanguageModel, WritesToTheCallersMemory) {
  alignas(64) float aligned[4] = {};
  char memory[5 * sizeof(float)] = {};
  for (void *data : {static_cast<void *>(aligned),
                     static_cast<void *>(memory + 1)}) { // not aligned
    HybridTensor logits = wanted("logits");
    logits.data = data;
    logits.bytes = 3 * sizeof(float);
    ASSERT_EQ(run({ids(1, 3), bias()}, {logits}), HYBRID_OK)
        << hybrid_last_error();
    EXPECT_EQ(outputs[0].data, data);
    EXPECT_EQ(dims(outputs[0]), (std::vector<int64_t>{1, 3}));
    EXPECT_EQ(values<float>(outputs[0]), expectedLogits({1, 2, 3}));
    ASSERT_EQ(hybrid_session_reset(session.get()), HYBRID_OK);
  }
  HybridTensor logits = wanted("logits");
  logits.data = memory;
  logits.bytes = 11;
  EXPECT_EQ(run({ids(1, 3), bias()}, {logits}), HYBRID_INVALID_ARGUMENT);
  EXPECT_TRUE(errorSays({"'logits' needs 12 bytes, 11 are given"}));
  EXPECT_EQ(position(), 0);
}

TEST_F(LanguageModel, UnalignedInputsAreCopied) {
  char memory[25];
  const int64_t idValue[] = {1, 2, 3};
  std::memcpy(memory + 1, idValue, 24);
  ASSERT_EQ(
      run({tensor("input_ids", HYBRID_INT64, {1, 3}, memory + 1), bias()}),
      HYBRID_OK)
      << hybrid_last_error();
  EXPECT_EQ(values<float>(output(0)), expectedLogits({1, 2, 3}));
}

TEST_F(LanguageModel, OutputsMayBeInputsOfTheNextRun) {
  ASSERT_EQ(run({ids(1, 3, 5), bias()}), HYBRID_OK);
  // The positions output, in the runtime's memory, as the next ids.
  HybridTensor again = output(1);
  again.name = "input_ids";
  ASSERT_EQ(hybrid_session_reset(session.get()), HYBRID_OK);
  ASSERT_EQ(run({again, bias()}), HYBRID_OK) << hybrid_last_error();
  EXPECT_EQ(values<float>(output(0)), expectedLogits({0, 1, 2}));
}

TEST_F(LanguageModel, OutputsBeforeTheFirstRunAreRefused) {
  HybridTensor result;
  EXPECT_EQ(hybrid_session_output(session.get(), 0, &result),
            HYBRID_INVALID_ARGUMENT);
  EXPECT_EQ(hybrid_session_entry(session.get()), nullptr);
  ASSERT_EQ(run({ids(1, 3), bias()}), HYBRID_OK);
  EXPECT_EQ(hybrid_session_output(session.get(), 4, &result),
            HYBRID_INVALID_ARGUMENT);
}

//===----------------------------------------------------------------------===//
// Refused inputs change nothing
//===----------------------------------------------------------------------===//

namespace {
/// Two tokens in, every refusal must leave the session there.
class Refusal : public LanguageModel {
protected:
  void SetUp() override {
    LanguageModel::SetUp();
    ASSERT_EQ(run({ids(2, 2), bias()}), HYBRID_OK) << hybrid_last_error();
    key = values<float>(readState("past_key.0"));
    conv = values<float>(readState("past_conv.0"));
  }

  void TearDown() override {
    EXPECT_EQ(position(), 2);
    EXPECT_EQ(hybrid_session_batch(session.get()), 2);
    EXPECT_EQ(values<float>(readState("past_key.0")), key);
    EXPECT_EQ(values<float>(readState("past_conv.0")), conv);
    // And it still runs.
    EXPECT_EQ(run({ids(2, 1), bias()}), HYBRID_OK) << hybrid_last_error();
  }

  std::vector<float> key, conv;
};
} // namespace

TEST_F(Refusal, UnknownInput) {
  EXPECT_EQ(run({ids(2, 1), bias(), tensor("ids", HYBRID_INT64, {}, "")}),
            HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"no input 'ids'", "'input_ids' int64 [batch, seq]",
                         "'position_ids' int64 [batch, seq] (may be left out)",
                         "'past_key.0'"}));
}

TEST_F(Refusal, MissingInputs) {
  EXPECT_EQ(run({}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(
      errorSays({"missing inputs 'input_ids', 'bias';", "'bias' float32 [n]"}));
  EXPECT_EQ(run({ids(2, 1)}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"missing input 'bias';"}));
}

TEST_F(Refusal, InputGivenTwice) {
  EXPECT_EQ(run({ids(2, 1), bias(), bias()}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"'bias' is given twice"}));
}

TEST_F(Refusal, WrongDtype) {
  HybridTensor wrong = ids(2, 1);
  wrong.dtype = HYBRID_INT32;
  EXPECT_EQ(run({wrong, bias()}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"'input_ids' has dtype int32, expected int64"}));
  wrong.dtype = HybridDtype(77);
  EXPECT_EQ(run({wrong, bias()}), HYBRID_BAD_INPUT);
}

TEST_F(Refusal, WrongRank) {
  EXPECT_EQ(run({tensor("input_ids", HYBRID_INT64, {2}, key.data()), bias()}),
            HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"has shape [2], expected int64 [batch, seq]"}));
}

TEST_F(Refusal, ImpossibleTensors) {
  HybridTensor wrong = ids(2, 1);
  wrong.dims[1] = -1;
  EXPECT_EQ(run({wrong, bias()}), HYBRID_INVALID_ARGUMENT);
  wrong = ids(2, 1);
  wrong.rank = HYBRID_MAX_RANK + 1;
  EXPECT_EQ(run({wrong, bias()}), HYBRID_INVALID_ARGUMENT);
  wrong = ids(2, 1);
  wrong.data = nullptr;
  EXPECT_EQ(run({wrong, bias()}), HYBRID_INVALID_ARGUMENT);
  EXPECT_TRUE(errorSays({"'input_ids' has no data"}));
  wrong = ids(2, 1);
  wrong.name = nullptr;
  EXPECT_EQ(run({wrong, bias()}), HYBRID_INVALID_ARGUMENT);
  wrong = ids(2, 1);
  wrong.dims[0] = wrong.dims[1] = INT64_MAX;
  wrong.data = nullptr;
  EXPECT_EQ(run({wrong, bias()}), HYBRID_OVER_CAPACITY);
  EXPECT_EQ(hybrid_session_run(session.get(), nullptr, 1, nullptr, 0),
            HYBRID_INVALID_ARGUMENT);
}

TEST_F(Refusal, ShapesThatDisagree) {
  const int64_t many[16] = {};
  EXPECT_EQ(run({ids(2, 3), bias(),
                 tensor("position_ids", HYBRID_INT64, {2, 4}, many)}),
            HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"'position_ids' has shape [2, 4]",
                         "int64 [batch, seq] = [2, 3]",
                         "batch = 2, seq = 3, past = 2"}));
  // The mask covers the past, too.
  EXPECT_EQ(run({ids(2, 3), bias(),
                 tensor("attention_mask", HYBRID_INT64, {2, 3}, many)}),
            HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"[batch, past + seq] = [2, 5]"}));
}

TEST_F(Refusal, AnotherBatch) {
  EXPECT_EQ(run({ids(3, 1), bias()}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"batch = 3", "holds 2 sequences", "reset"}));
}

TEST_F(Refusal, ValueOutOfRange) {
  HybridTensor wrong = ids(2, 3);
  idValues[4] = 100;
  EXPECT_EQ(run({wrong, bias()}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"'input_ids' is 100 at [1, 1]", "0 to 99"}));
  idValues[4] = -1;
  EXPECT_EQ(run({wrong, bias()}), HYBRID_BAD_INPUT);
}

TEST_F(Refusal, OverTheCapacities) {
  EXPECT_EQ(run({ids(2, 9), bias()}), HYBRID_OVER_CAPACITY);
  EXPECT_TRUE(errorSays({"seq = 9", "up to 8"}));
  const float many[7] = {};
  EXPECT_EQ(run({ids(2, 1), tensor("bias", HYBRID_FLOAT32, {7}, many)}),
            HYBRID_OVER_CAPACITY);
  EXPECT_TRUE(errorSays({"n = 7", "up to 6"}));
}

TEST_F(Refusal, EmptyCalls) {
  EXPECT_EQ(run({ids(2, 0), bias()}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"'seq' is 0"}));
}

TEST_F(Refusal, UnknownOutput) {
  EXPECT_EQ(run({ids(2, 1), bias()}, {wanted("logit")}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"no output 'logit'", "'logits'", "'present_key.0'"}));
  EXPECT_EQ(run({ids(2, 1), bias()}, {wanted(nullptr)}),
            HYBRID_INVALID_ARGUMENT);
}

TEST_F(Refusal, StatesOfWrongShape) {
  const std::vector<float> many(1000);
  const auto given = [&](const char *name, std::vector<int64_t> dims) {
    return run(
        {ids(2, 1), bias(), tensor(name, HYBRID_FLOAT32, dims, many.data())});
  };
  EXPECT_EQ(given("past_conv.0", {2, 4}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays(
      {"'past_conv.0' has shape [2, 4]", "expected float32 [batch, 5]"}));
  EXPECT_EQ(given("past_conv.0", {1, 5}), HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"holds 2 sequences"}));
  EXPECT_EQ(given("past_key.0", {2, 2, 17, 3}), HYBRID_OVER_CAPACITY);
  EXPECT_TRUE(errorSays({"length 17", "up to 16"}));
  EXPECT_EQ(given("past_key.0", {2, 2, 1, 4}), HYBRID_BAD_INPUT);
  EXPECT_EQ(given("past_key.0", {2, 2, 16, 3}), HYBRID_OVER_CAPACITY);
  EXPECT_TRUE(errorSays({"position 16", "1 token"}));
}

//===----------------------------------------------------------------------===//
// Capacity, reset, batch
//===----------------------------------------------------------------------===//

TEST_F(LanguageModel, CapacityIsReachedExactlyAndNotPassed) {
  ASSERT_EQ(run({ids(1, 8), bias()}), HYBRID_OK);
  ASSERT_EQ(run({ids(1, 7), bias()}), HYBRID_OK);
  const std::vector<float> before = values<float>(readState("past_key.0"));
  EXPECT_EQ(run({ids(1, 2), bias()}), HYBRID_OVER_CAPACITY);
  EXPECT_TRUE(
      errorSays({"position 15", "2 tokens", "'past_key.0'", "16 positions"}));
  EXPECT_EQ(position(), 15);
  EXPECT_EQ(values<float>(readState("past_key.0")), before);
  EXPECT_EQ(run({ids(1, 1), bias()}), HYBRID_OK) << hybrid_last_error();
  EXPECT_EQ(position(), 16);
  EXPECT_EQ(run({ids(1, 1), bias()}), HYBRID_OVER_CAPACITY);
  EXPECT_EQ(position(), 16);
}

TEST_F(LanguageModel, ResetForgetsEverything) {
  ASSERT_EQ(run({ids(2, 5), bias()}), HYBRID_OK);
  ASSERT_EQ(hybrid_session_reset(session.get()), HYBRID_OK);
  EXPECT_EQ(position(), 0);
  EXPECT_EQ(hybrid_session_batch(session.get()), 0);
  // Another batch, and larger than the memory so far.
  ASSERT_EQ(run({ids(3, 2), bias()}), HYBRID_OK) << hybrid_last_error();
  const std::vector<float> conv = values<float>(readState("past_conv.0"));
  EXPECT_EQ(conv, (std::vector<float>{3, 3, 3, 3, 3, 7, 7, 7, 7, 7, 11, 11, 11,
                                      11, 11}));
  ASSERT_EQ(hybrid_session_reset(session.get()), HYBRID_OK);
  ASSERT_EQ(run({ids(1, 3), bias()}), HYBRID_OK);
  EXPECT_EQ(values<float>(output(0)), expectedLogits({1, 2, 3}));
}

TEST_F(LanguageModel, BatchMayBeFixedAtCreation) {
  session = newSession(module.get(), 1, 2);
  EXPECT_EQ(hybrid_session_batch(session.get()), 2);
  EXPECT_EQ(run({ids(1, 3), bias()}), HYBRID_BAD_INPUT);
  EXPECT_EQ(run({ids(2, 3), bias()}), HYBRID_OK);
  ASSERT_EQ(hybrid_session_reset(session.get()), HYBRID_OK);
  EXPECT_EQ(hybrid_session_batch(session.get()), 2);
}

TEST_F(LanguageModel, BatchBeyondCapacity) {
  EXPECT_EQ(run({ids(5, 1), bias()}), HYBRID_OVER_CAPACITY);
  EXPECT_TRUE(errorSays({"batch = 5", "up to 4"}));
  const HybridSessionOptions options = {1, 5};
  HybridSession *none = nullptr;
  EXPECT_EQ(hybrid_session_create(module.get(), &options, &none),
            HYBRID_OVER_CAPACITY);
  const HybridSessionOptions negative = {-1, 0};
  EXPECT_EQ(hybrid_session_create(module.get(), &negative, &none),
            HYBRID_INVALID_ARGUMENT);
  EXPECT_EQ(run({ids(4, 1), bias()}), HYBRID_OK);
}

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

TEST_F(LanguageModel, PresentStatesAreSliced) {
  ASSERT_EQ(
      run({ids(2, 2), bias()}, {wanted("present_key.0"),
                                wanted("present_conv.0"), wanted("logits")}),
      HYBRID_OK)
      << hybrid_last_error();
  EXPECT_STREQ(outputs[0].name, "present_key.0");
  EXPECT_EQ(dims(outputs[0]), (std::vector<int64_t>{2, 2, 2, 3}));
  EXPECT_EQ(values<float>(outputs[0]),
            (std::vector<float>{100, 101, 102, 200, 201, 202, 110, 111,
                                112, 210, 211, 212, 300, 301, 302, 400,
                                401, 402, 310, 311, 312, 410, 411, 412}));
  EXPECT_EQ(dims(outputs[1]), (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(dims(outputs[2]), (std::vector<int64_t>{2, 2}));
}

TEST_F(LanguageModel, GivenStatesAreLoaded) {
  ASSERT_EQ(run({ids(2, 3), bias()},
                {wanted("present_key.0"), wanted("present_conv.0")}),
            HYBRID_OK);
  std::vector<float> key = values<float>(outputs[0]),
                     conv = values<float>(outputs[1]);
  ASSERT_EQ(run({ids(2, 2, 7), bias()}), HYBRID_OK);
  const std::vector<float> expected = values<float>(output(0));

  SessionPtr other = newSession(module.get());
  std::swap(session, other);
  ASSERT_EQ(run({tensor("past_key.0", HYBRID_FLOAT32, {2, 2, 3, 3}, key.data()),
                 tensor("past_conv.0", HYBRID_FLOAT32, {2, 5}, conv.data()),
                 ids(2, 2, 7), bias()}),
            HYBRID_OK)
      << hybrid_last_error();
  EXPECT_EQ(position(), 5);
  EXPECT_EQ(values<float>(output(0)), expected);
  EXPECT_EQ(values<int64_t>(output(1)), (std::vector<int64_t>{3, 4, 3, 4}));
}

TEST_F(LanguageModel, EmptyStatesStartTheSession) {
  const float zeros[10] = {};
  ASSERT_EQ(run({tensor("past_key.0", HYBRID_FLOAT32, {2, 2, 0, 3}, nullptr),
                 tensor("past_conv.0", HYBRID_FLOAT32, {2, 5}, zeros),
                 ids(2, 2), bias()}),
            HYBRID_OK)
      << hybrid_last_error();
  EXPECT_EQ(position(), 2);
}

TEST_F(LanguageModel, PresentOfOneRunIsThePastOfTheNext) {
  // As onnxruntime is used: states go out and in at every call, here in the
  // runtime's own memory, which grows meanwhile.
  std::vector<HybridTensor> states;
  for (int64_t step = 0; step < 16; ++step) {
    std::vector<HybridTensor> inputs = {ids(2, 1, step), bias()};
    for (HybridTensor &state : states) {
      state.name = std::string(state.name) == "present_key.0" ? "past_key.0"
                                                              : "past_conv.0";
      inputs.push_back(state);
    }
    ASSERT_EQ(run(inputs, {wanted("present_key.0"), wanted("present_conv.0")}),
              HYBRID_OK)
        << hybrid_last_error();
    states = outputs;
    EXPECT_EQ(states[0].dims[2], step + 1);
  }
  const std::vector<float> key = values<float>(states[0]);
  for (int64_t step = 0; step < 16; ++step)
    EXPECT_EQ(key[size_t(step) * 3], float(step * 100));
}

TEST_F(LanguageModel, StatesAreReadAndWritten) {
  EXPECT_EQ(run({ids(2, 3), bias()}), HYBRID_OK);
  const std::vector<float> key = values<float>(readState("present_key.0"));
  const std::vector<float> conv = values<float>(readState("past_conv.0"));
  EXPECT_EQ(key.size(), 2u * 2 * 3 * 3);

  SessionPtr other = newSession(module.get());
  std::swap(session, other);
  HybridTensor state = wanted("past_conv.0");
  EXPECT_EQ(hybrid_session_read_state(session.get(), &state),
            HYBRID_INVALID_ARGUMENT);
  EXPECT_TRUE(errorSays({"batch is not bound"}));
  const HybridTensor written[] = {
      tensor("present_key.0", HYBRID_FLOAT32, {2, 2, 3, 3}, key.data()),
      tensor("past_conv.0", HYBRID_FLOAT32, {2, 5}, conv.data())};
  ASSERT_EQ(hybrid_session_write_states(session.get(), written, 2), HYBRID_OK)
      << hybrid_last_error();
  EXPECT_EQ(position(), 3);
  EXPECT_EQ(hybrid_session_batch(session.get()), 2);
  EXPECT_EQ(values<float>(readState("past_key.0")), key);
  EXPECT_EQ(values<float>(readState("past_conv.0")), conv);
  EXPECT_EQ(hybrid_session_write_states(session.get(), nullptr, 0), HYBRID_OK);

  state = wanted("past_conv.0");
  float small[9];
  state.data = small;
  state.bytes = sizeof(small);
  EXPECT_EQ(hybrid_session_read_state(session.get(), &state),
            HYBRID_INVALID_ARGUMENT);
  EXPECT_TRUE(errorSays({"needs 40 bytes, 36 are given"}));
  const HybridTensor unknown[] = {tensor("logits", HYBRID_FLOAT32, {}, "")};
  EXPECT_EQ(hybrid_session_write_states(session.get(), unknown, 1),
            HYBRID_BAD_INPUT);
}

TEST(States, LengthsMustAgree) {
  Json manifest = languageModel();
  Json value = manifest["states"][0];
  value["name"] = "past_value.0";
  value["present"] = "present_value.0";
  manifest["states"].push_back(value);
  const ModulePtr module = test::open(makeArtifact("kv.hyb", manifest));
  ASSERT_TRUE(module);
  const SessionPtr session = newSession(module.get());
  const std::vector<float> many(100, 1);
  const auto key = [&](const char *name, int64_t length) {
    return tensor(name, HYBRID_FLOAT32, {1, 2, length, 3}, many.data());
  };
  const HybridTensor different[] = {key("past_key.0", 3),
                                    key("past_value.0", 4)};
  EXPECT_EQ(hybrid_session_write_states(session.get(), different, 2),
            HYBRID_BAD_INPUT);
  EXPECT_TRUE(
      errorSays({"'past_value.0' has length 4", "'past_key.0' has length 3"}));
  const HybridTensor alone[] = {key("past_key.0", 3)};
  EXPECT_EQ(hybrid_session_write_states(session.get(), alone, 1),
            HYBRID_BAD_INPUT);
  EXPECT_TRUE(errorSays({"length 3", "position 0", "'past_value.0'"}));
  EXPECT_EQ(hybrid_session_position(session.get()), 0);
  const HybridTensor both[] = {key("past_key.0", 3), key("past_value.0", 3)};
  ASSERT_EQ(hybrid_session_write_states(session.get(), both, 2), HYBRID_OK);
  EXPECT_EQ(hybrid_session_position(session.get()), 3);
  // At the position, one alone will do.
  EXPECT_EQ(hybrid_session_write_states(session.get(), alone, 1), HYBRID_OK);
}

TEST(States, HugeCapacitiesCostNothing) {
  Json manifest = languageModel();
  // 3 TiB for one sequence, 256 GiB of scratch.
  manifest["states"][1]["dims"] = {"batch", INT64_C(3) << 38};
  manifest["arena_bytes"] = INT64_C(1) << 38;
  const ModulePtr module = test::open(makeArtifact("huge.hyb", manifest));
  ASSERT_TRUE(module);
  const SessionPtr session = newSession(module.get());
  const int64_t id = 1;
  const float bias = 0;
  const HybridTensor inputs[] = {tensor("input_ids", HYBRID_INT64, {1, 1}, &id),
                                 tensor("bias", HYBRID_FLOAT32, {1}, &bias)};
  EXPECT_EQ(hybrid_session_run(session.get(), inputs, 2, nullptr, 0), HYBRID_OK)
      << hybrid_last_error();
}

TEST(States, ImpossibleCapacitiesAreReported) {
  Json manifest = languageModel();
  manifest["symbols"][0]["capacity"] = 100000;
  manifest["states"][1]["dims"] = {"batch", INT64_C(1) << 40};
  const ModulePtr module = test::open(makeArtifact("vast.hyb", manifest));
  ASSERT_TRUE(module);
  const SessionPtr session = newSession(module.get());
  const std::vector<int64_t> ids(1000, 1);
  const float bias = 0;
  const HybridTensor inputs[] = {
      tensor("input_ids", HYBRID_INT64, {1000, 1}, ids.data()),
      tensor("bias", HYBRID_FLOAT32, {1}, &bias)};
  EXPECT_EQ(hybrid_session_run(session.get(), inputs, 2, nullptr, 0),
            HYBRID_OUT_OF_MEMORY);
  EXPECT_TRUE(errorSays({"'past_conv.0'", "bytes"}));
  EXPECT_EQ(hybrid_session_batch(session.get()), 0);
}

//===----------------------------------------------------------------------===//
// Positions and stateless models
//===----------------------------------------------------------------------===//

TEST(Positions, FillEveryAxisAndKeepToTheirRange) {
  const ModulePtr module =
      test::open(makeArtifact("wide.hyb", widePositionsModel()));
  ASSERT_TRUE(module);
  const SessionPtr session = newSession(module.get());
  const int64_t ids[8] = {};
  const auto run = [&](int64_t seq) {
    const HybridTensor input = tensor("input_ids", HYBRID_INT64, {1, seq}, ids);
    return hybrid_session_run(session.get(), &input, 1, nullptr, 0);
  };
  ASSERT_EQ(run(8), HYBRID_OK) << hybrid_last_error();
  ASSERT_EQ(run(2), HYBRID_OK) << hybrid_last_error();
  HybridTensor positions;
  ASSERT_EQ(hybrid_session_output(session.get(), 0, &positions), HYBRID_OK);
  EXPECT_EQ(values<int32_t>(positions),
            (std::vector<int32_t>{8, 9, 8, 9, 8, 9}));
  // No KV cache limits this model, but its positions do.
  EXPECT_EQ(run(1), HYBRID_OVER_CAPACITY);
  EXPECT_TRUE(errorSays({"positions are 10 to 10", "0 to 9"}));
  EXPECT_EQ(hybrid_session_position(session.get()), 10);
}

TEST(Stateless, TakesAnySizeInAnyRun) {
  const ModulePtr module =
      test::open(makeArtifact("main.hyb", statelessModel("float16")));
  ASSERT_TRUE(module);
  const SessionPtr session = newSession(module.get(), 2);
  std::vector<uint16_t> x(1000);
  std::iota(x.begin(), x.end(), 0);
  for (int64_t n : {5, 0, 1000, 1}) {
    const HybridTensor input = tensor("x", HYBRID_FLOAT16, {n}, x.data());
    HybridTensor y = wanted("y");
    ASSERT_EQ(hybrid_session_run(session.get(), &input, 1, &y, 1), HYBRID_OK)
        << hybrid_last_error();
    EXPECT_EQ(values<uint16_t>(y),
              std::vector<uint16_t>(x.begin(), x.begin() + n));
  }
  EXPECT_EQ(hybrid_session_position(session.get()), 0);
  EXPECT_STREQ(hybrid_session_entry(session.get()), "main");
  EXPECT_EQ(hybrid_session_write_states(session.get(), nullptr, 0), HYBRID_OK);
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

TEST_F(LanguageModel, LaunchesAreCounted) {
  ASSERT_EQ(hybrid_session_profile(session.get(), 1), HYBRID_OK);
  ASSERT_EQ(run({ids(2, 3), bias()}), HYBRID_OK);
  ASSERT_EQ(run({ids(2, 1), bias()}), HYBRID_OK);
  HybridKernelStats stats;
  ASSERT_EQ(hybrid_session_kernel_stats(session.get(), 0, &stats), HYBRID_OK);
  EXPECT_EQ(stats.launches, 2u);
  EXPECT_EQ(stats.blocks, 8u);
  ASSERT_EQ(hybrid_session_profile(session.get(), 0), HYBRID_OK);
  ASSERT_EQ(run({ids(2, 1), bias()}), HYBRID_OK);
  ASSERT_EQ(hybrid_session_kernel_stats(session.get(), 3, &stats), HYBRID_OK);
  EXPECT_EQ(stats.launches, 2u); // an empty grid is no launch
  EXPECT_EQ(hybrid_session_kernel_stats(session.get(), 4, &stats),
            HYBRID_INVALID_ARGUMENT);
  double overhead = -1;
  ASSERT_EQ(hybrid_session_launch_overhead(session.get(), &overhead),
            HYBRID_OK);
  EXPECT_GE(overhead, 0);
}
